"""Imports libraries when they are used, where the Singer SDK imports them before.

The SDK imports at its start what some of its features need: file systems, process pools, HTTP.
This is half of the start of a tap, and most runs use little of it. Within `lazy_imports`, such an
import statement binds a `LazyModule` or a `LazyName` instead, whose first use imports the library.
Nothing else changes: `sys.modules` holds real modules only, and whoever else imports the library
gets it.

Python 3.15 has lazy imports of its own: https://peps.python.org/pep-0810/
"""

from __future__ import annotations

import builtins
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The modules that are imported lazily, and the names that are imported from them; a statement with
#: another name is not lazy. Names are those of functions and classes, and never of exceptions: an
#: `except` clause needs the class itself.
_LIBRARIES_OF_SDK: dict[str, set[str]] = {
    "backoff": set(),
    "dotenv": {"find_dotenv"},
    "dotenv.main": {"DotEnv"},
    "importlib_metadata": {"entry_points"},
    "joblib": {"Parallel", "delayed", "parallel_config"},
    "jsonpath_ng": {"Child", "Slice"},
    "jsonpath_ng.ext": {"parse"},
    "jsonschema": {"validators"},
    "packaging.specifiers": {"SpecifierSet"},
    "packaging.version": {"Version"},
    "referencing": {"Registry"},
    "referencing.jsonschema": {"DRAFT202012"},
    "requests": set(),
    "requests.adapters": set(),
    "requests.exceptions": set(),
    "simplejson": set(),
    "upath": {"UPath"},
    "urllib3": set(),
}
#: The same for the kit, and for the tap or target that is started.
_LIBRARIES_OF_PLUGINS: dict[str, set[str]] = {
    "boto3": set(),
    "dotenv": {"load_dotenv"},
    "paramiko": set(),
    "requests": set(),
    "requests.auth": {"HTTPBasicAuth"},
    "tenacity": {"RetryCallState", "Retrying", "retry_if_exception_type"},
    "upath": {"UPath"},
    "urllib3": set(),
}
#: The same for the target that the loader extends: only a tunnel needs SSH.
_LIBRARIES_OF_STOCK_TARGET: dict[str, set[str]] = {"paramiko": set()}

_is_importing = False


@contextmanager
def lazy_imports(package: str) -> Iterator[None]:
    """Let the imports of the SDK, the kit and a plugin be lazy, while the plugin is imported.

    Only for a process with one thread: the import statements of all modules go through it.

    Args:
        package: The package of the plugin.
    """
    global _is_importing  # noqa: PLW0603 - as `builtins.__import__` it is one for the process
    plain_import = builtins.__import__
    libraries = {
        "singer_sdk": _LIBRARIES_OF_SDK,
        "signalroom_singer": _LIBRARIES_OF_PLUGINS,
        "target_postgres": _LIBRARIES_OF_STOCK_TARGET,
        package: _LIBRARIES_OF_PLUGINS,
    }
    builtins.__import__ = partial(_import_lazily, plain_import, libraries)
    _is_importing = True
    try:
        yield
    finally:
        builtins.__import__ = plain_import
        _is_importing = False


def _import_lazily(  # noqa: PLR0917 - as `__import__` is called
    plain_import: Callable[..., Any],
    libraries: Mapping[str, Mapping[str, set[str]]],
    name: str,
    variables: Mapping[str, Any] | None = None,
    local_variables: Mapping[str, Any] | None = None,
    names: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """Do what an import statement does: the arguments are those of `__import__`."""
    importer = str((variables or {}).get("__name__", "")).partition(".")[0]
    lazy_names = libraries.get(importer, {}).get(name)
    is_lazy = lazy_names is not None and not level and lazy_names.issuperset(names or ())
    # Of a package that is missing, the statement itself tells.
    if not is_lazy or not _is_installed(name.partition(".")[0]):
        return plain_import(name, variables, local_variables, names, level)
    if not names:
        return LazyModule(name)
    return SimpleNamespace(**{part: LazyName(partial(_import_name, name, part)) for part in names})


@lru_cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _import_name(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


class LazyModule:
    """What ``import a`` or ``import a.b`` binds: `a`, which is imported when it is used.

    Args:
        name: The name in the statement.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        import_module(self._name)
        return getattr(import_module(self._name.partition(".")[0]), name)


class LazyName:
    """A function or a class that is imported when it is used.

    What its module does with it while it is imported itself, such as to derive a class, is done
    later too.

    Args:
        load: The function that imports it.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._values: list[Any] = []

    def _value(self) -> Any:
        if not self._values:
            self._values.append(self._load())
        return self._values[0]

    def _derive(self, derive: Callable[[Any], Any]) -> Any:
        return LazyName(lambda: derive(self._value())) if _is_importing else derive(self._value())

    def __getattr__(self, name: str) -> Any:
        return self._derive(lambda value: getattr(value, name))

    def __getitem__(self, key: Any) -> Any:
        return self._derive(lambda value: value[key])

    def __call__(self, *arguments: Any, **options: Any) -> Any:  # noqa: D102 - as it is
        return self._derive(lambda value: value(*arguments, **options))

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._value())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._value())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._value(),)
