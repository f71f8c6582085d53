"""Internals of the SDK and the stock target that the loader uses: check them on an upgrade."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap

import signalroom_target_postgres

FOREIGN = ("singer_sdk", "target_postgres")

#: By class: private members of its base classes that it overrides, or uses.
PRIVATE = {
    "PostgresConnector": {"_connect", "_engine", "_sqlalchemy_url"},
    "PostgresSink": {"_validator"},
    "TargetPostgres": {
        "_config",
        "_handle_termination",
        "_process_activate_version_message",
        "_process_batch_message",
        "_process_record_message",
        "_process_schema_message",
        "_process_state_message",
        "_sinks_active",
        "_target_connector",
        "_validate_config",
    },
}


def own_classes():
    """Each class of the loader that has a base class of the SDK's or the stock target's."""
    package = signalroom_target_postgres
    names = (
        module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    )
    for name in sorted(names):
        module = importlib.import_module(name)
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == name and foreign_bases(cls):
                yield cls


def foreign_bases(cls):
    return [base for base in cls.__mro__ if base.__module__.split(".")[0] in FOREIGN]


def methods(cls):
    """The definitions of a class's methods by name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    return {node.name: node for node in definition.body if isinstance(node, ast.FunctionDef)}


def final_methods(cls):
    return {
        name
        for name, node in methods(cls).items()
        if any(ast.unparse(decorator).endswith("final") for decorator in node.decorator_list)
    }


def private_members(cls):
    """Private names of base classes that a class defines, or that its methods use."""
    used = {
        node.attr
        for method in methods(cls).values()
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
    }
    inherited = {name for base in foreign_bases(cls) for name in assigned_names(base)}
    return {
        name
        for name in (assigned_names(cls) | used) & inherited
        if name.startswith("_") and not name.startswith("__") and not name.startswith("_abc")
    }


def assigned_names(cls):
    """The names that a class has, or assigns to `self`."""
    return {*vars(cls)} | {
        node.attr
        for method in methods(cls).values()
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_nothing_that_is_final_is_overridden():
    classes = [*own_classes()]
    assert classes
    for cls in classes:
        for base in foreign_bases(cls):
            assert not {*vars(cls)} & final_methods(base), (
                f"{cls} overrides what {base} has as final"
            )


def test_private_members_are_those_that_are_known():
    found = {cls.__name__: private_members(cls) for cls in own_classes()}
    assert {name: members for name, members in found.items() if members} == PRIVATE
