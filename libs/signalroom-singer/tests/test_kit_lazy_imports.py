"""Lazy imports: what a statement binds, and what it never changes."""

from __future__ import annotations

import builtins
import importlib
import sys
import textwrap

import pytest

from signalroom_singer.cli import lazy_imports as lazy

LIBRARY = """
    import importlib
    names = []
    class Shape:
        sides = {"square": 4}
        def __init__(self, name="square"):
            self.name = name
    class Square(Shape):
        pass
    def find(name):
        return Shape(name)
    class ShapeError(Exception):
        pass
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Import a plugin lazily: a module of its own package, which may use the library shapes."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(lazy._LIBRARIES_OF_PLUGINS, "shapes", {"Shape", "find"})
    monkeypatch.setitem(lazy._LIBRARIES_OF_PLUGINS, "shapes.inner", {"deep"})
    monkeypatch.setitem(lazy._LIBRARIES_OF_PLUGINS, "no_such_package", set())
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes/__init__.py").write_text(textwrap.dedent(LIBRARY))
    (tmp_path / "shapes/inner.py").write_text("def deep():\n    return 'deep'\n")
    lazy._is_installed.cache_clear()

    def start(code, package="tap_lazy"):
        (tmp_path / f"{package}.py").write_text(textwrap.dedent(code))
        with lazy.lazy_imports("tap_lazy"):
            return importlib.import_module(package)

    yield start
    for name in [name for name in sys.modules if name.partition(".")[0] in {"shapes", *PACKAGES}]:
        del sys.modules[name]


PACKAGES = ("tap_lazy", "another")


def is_loaded():
    return "shapes" in sys.modules


def test_a_module_is_imported_when_it_is_used(start):
    plugin = start("import shapes\ndef make():\n    return shapes.find('round').name\n")
    assert not is_loaded()
    assert plugin.make() == "round"
    assert is_loaded()


def test_a_submodule_is_imported_when_it_is_used(start):
    plugin = start("import shapes.inner\ndef make():\n    return shapes.inner.deep()\n")
    assert not is_loaded()
    assert plugin.make() == "deep"


def test_a_name_is_imported_when_it_is_used(start):
    plugin = start(
        """
        from shapes import Shape, find
        from shapes.inner import deep
        def make():
            return Shape().name, find("round").name, deep(), Shape.sides["square"]
        """
    )
    assert not is_loaded()
    assert plugin.make() == ("square", "round", "deep", 4)


def test_a_class_is_compared_like_itself(start):
    plugin = start(
        """
        from shapes import Shape
        def compare(shape, other):
            return isinstance(shape, Shape), isinstance(other, (int, Shape)), issubclass(int, Shape)
        """
    )
    shapes = importlib.import_module("shapes")
    assert plugin.compare(shapes.Square(), "square") == (True, False, False)
    derived = start("from shapes import Shape\nclass Line(Shape):\n    pass\n", "another")
    # Of another package it is not lazy.
    assert derived.Shape is shapes.Shape


def test_what_is_derived_at_the_import_is_derived_later(start):
    plugin = start(
        """
        from shapes import Shape, find
        SIDES = Shape.sides["square"]
        SHAPE = find("round")
        def read():
            return SHAPE.name, SIDES + 0 if isinstance(SIDES, int) else SIDES._value()
        """
    )
    assert not is_loaded()
    assert plugin.read() == ("round", 4)
    # Made once, as by the statement itself.
    assert plugin.SHAPE._value() is plugin.SHAPE._value()


def test_a_subclass_at_the_import_is_a_subclass(start):
    plugin = start("from shapes import Shape\nclass Line(Shape):\n    pass\n")
    assert plugin.Line("straight").name == "straight"
    assert plugin.Line.__mro__[1] is sys.modules["shapes"].Shape


def test_other_names_are_not_lazy(start):
    plugin = start("from shapes import ShapeError, find\n")
    assert plugin.ShapeError is sys.modules["shapes"].ShapeError
    assert plugin.find is sys.modules["shapes"].find


def test_an_exception_of_a_lazy_module_is_caught(start):
    plugin = start(
        """
        import shapes
        def catch(error):
            try:
                raise error
            except shapes.ShapeError:
                return "caught"
        """
    )
    assert plugin.catch(importlib.import_module("shapes").ShapeError()) == "caught"


def test_other_packages_get_the_module_itself(start):
    plugin = start("import shapes\n")
    other = start("import shapes\n", "another")
    assert other.shapes is sys.modules["shapes"]
    assert plugin.shapes.Shape is other.shapes.Shape
    assert not [name for name, module in sys.modules.items() if type(module) is lazy.LazyModule]


def test_a_patch_of_the_module_counts(start, monkeypatch):
    plugin = start("import shapes\ndef make():\n    return shapes.find('round')\n")
    monkeypatch.setattr(importlib.import_module("shapes"), "find", str.upper)
    assert plugin.make() == "ROUND"


def test_a_package_that_is_missing_is_an_error_at_once(start):
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        start("import no_such_package\n")


def test_imports_are_as_before_afterwards(start):
    plain = builtins.__import__
    start("import shapes\n")
    with pytest.raises(ZeroDivisionError):
        start("1 / 0\n", "another")
    assert builtins.__import__ is plain


LIBRARIES = {**lazy._LIBRARIES_OF_SDK, **lazy._LIBRARIES_OF_PLUGINS}
NAMES = [
    (module, name)
    for module, names in LIBRARIES.items()
    for name in sorted(names)
    # The SDK needs some of them only with an older Python.
    if lazy._is_installed(module.partition(".")[0])
]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_no_name_is_an_exception(module, name):
    """An `except` clause takes nothing but the class itself."""
    value = getattr(importlib.import_module(module), name)
    assert not (isinstance(value, type) and issubclass(value, BaseException))
