"""Which internals of the Singer SDK, and of the stock target, the packages use.

`python tests/harness/sdk_internals.py` prints them; `test_sdk_internals.py` lists them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from functools import cache
from pprint import pformat

PACKAGES = (
    *("signalroom_singer", "signalroom_target_postgres"),
    *("tap_everflow", "tap_gsheets", "tap_mautic", "tap_posthog", "tap_redtrack", "tap_sticky_s3"),
)
FOREIGN = ("singer_sdk", "target_postgres")


def own_modules():
    """Each module of the packages."""
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                yield importlib.import_module(module.name)


def own_classes():
    """Each class of the packages that has a base class of the SDK's or the stock target's."""
    for module in own_modules():
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__ and foreign_bases(cls):
                yield cls


def foreign_bases(cls):
    """The base classes of a class that are the SDK's or the stock target's."""
    return [base for base in cls.__mro__ if base.__module__.split(".")[0] in FOREIGN]


def final_methods(cls):
    """The methods that a class marks as final."""
    return {
        name
        for name, node in _methods(cls).items()
        if any(ast.unparse(decorator).endswith("final") for decorator in node.decorator_list)
    }


def private_members(cls):
    """Private names of foreign base classes that a class defines, or that its methods use."""
    inherited = {name for base in foreign_bases(cls) for name in _assigned_names(base)}
    used = {
        node.attr
        for method in _methods(cls).values()
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
    }
    return {
        name
        for name in (_assigned_names(cls) | used) & inherited
        if name.startswith("_") and not name.startswith(("__", "_abc"))
    }


def private_imports():
    """Private modules of the SDK and the stock target, and private names, that modules import."""
    imports = {}
    for module in own_modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for alias in node.names:
                path = f"{node.module}.{alias.name}".split(".")
                if path[0] in FOREIGN and any(part.startswith("_") for part in path):
                    imports.setdefault(module.__name__, set()).add(".".join(path))
    return imports


def private_members_by_class():
    """All private members that are overridden or used, by module and class."""
    members = {f"{cls.__module__}.{cls.__name__}": private_members(cls) for cls in own_classes()}
    return {name: names for name, names in members.items() if names}


@cache
def _methods(cls):
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    return {node.name: node for node in definition.body if isinstance(node, ast.FunctionDef)}


@cache
def _assigned_names(cls):
    """The names that a class has, or assigns to `self`."""
    return {*vars(cls)} | {
        node.attr
        for method in _methods(cls).values()
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


if __name__ == "__main__":
    print(pformat(private_members_by_class(), width=96))  # noqa: T201
    print(pformat(private_imports(), width=96))  # noqa: T201
