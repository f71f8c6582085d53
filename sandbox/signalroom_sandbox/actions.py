"""Control actions: what a test does to a vendor, with arguments that are checked."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Parameters named like keywords of Python end with an underscore; arguments do not.
_RENAMED = {"date_": "date", "from_": "from", "id_": "id"}


class VendorActions:
    """The actions that every vendor has; each public method of a subclass is one more.

    Args:
        vendor: The vendor that the actions change or read.
    """

    def __init__(self, vendor: Any) -> None:
        self._vendor = vendor

    def latency(self, seconds: float) -> None:
        """Delay each response by `seconds`."""
        self._vendor.latency = seconds


def read_only(method: Any) -> Any:
    """Mark an action that changes nothing: GET with a query string works, as POST does."""
    method.is_read_only = True
    return method


def limits_action(kind: type) -> Any:
    """An action that sets the limits of a vendor.

    Args:
        kind: The dataclass of the limits.
    """

    def limits(self: Any, **values: Any) -> None:
        """Set limits; limits left out return to their defaults."""
        self._vendor.limits = kind(**values)

    limits.settings = kind  # type: ignore[attr-defined]
    return limits


def switches_action(kind: type) -> Any:
    """An action that turns behaviours of a vendor on or off.

    Args:
        kind: The dataclass of the switches.
    """
    summary = "Turn behaviours on or off; switches left out keep their values."
    return fields_action(kind, "switches", summary)


def fields_action(kind: type, attribute: str, summary: str) -> Any:
    """An action that sets fields of an object of the vendor; fields left out keep their values.

    Args:
        kind: The dataclass of the object.
        attribute: The vendor's attribute that has the object; the action has the same name.
        summary: Docstring of the action.
    """

    def act(self: Any, **values: Any) -> None:
        for name, value in values.items():
            setattr(getattr(self._vendor, attribute), name, value)

    act.__name__, act.__doc__ = attribute, summary
    act.settings = kind  # type: ignore[attr-defined]
    return act


@dataclass(frozen=True)
class Action:
    """A method that a control endpoint calls.

    Attributes:
        name: Name of the method.
        call: The method itself, which takes an instance first.
        arguments: Struct that the arguments are converted to.
        others: Name of the ``**`` parameter, for an action that takes any other argument.
        settings: The dataclass whose fields are the arguments, for limits and switches.
    """

    name: str
    call: Callable[..., Any]
    arguments: type[msgspec.Struct]
    others: str = ""
    settings: type | None = None

    @classmethod
    def from_method(cls, method: Callable[..., Any]) -> Action:
        """Derive an action from a method's annotations.

        Args:
            method: A function that takes an instance first.
        """
        name = method.__name__
        settings = getattr(method, "settings", None)
        source = settings or method
        hints = get_type_hints(source)
        parameters = [*inspect.signature(source).parameters.values()]
        named = parameters if settings else parameters[1:]
        others = [item.name for item in named if item.kind is item.VAR_KEYWORD]
        fields: list[Any] = [
            (item.name, hints[item.name])
            if item.default is item.empty
            # Left out, it is not passed on either: the method's own default applies.
            else (item.name, hints[item.name] | msgspec.UnsetType, msgspec.UNSET)
            for item in named
            if item.name not in others
        ]
        arguments = msgspec.defstruct(
            name, fields, rename=_RENAMED, forbid_unknown_fields=not others, kw_only=True
        )
        return cls(name, method, arguments, "".join(others), settings)

    @property
    def is_read_only(self) -> bool:
        """Whether it changes nothing."""
        return getattr(self.call, "is_read_only", False)

    @property
    def summary(self) -> str:
        """What it does: the first line of its docstring."""
        return inspect.getdoc(self.call).partition("\n")[0].rstrip(".")  # type: ignore[union-attr]

    def required_names(self) -> list[str]:
        """Names of the arguments that are required."""
        return [field.encode_name for field in self._fields() if field.required]

    def optional_names(self) -> list[str]:
        """Names of the optional arguments."""
        return [field.encode_name for field in self._fields() if not field.required]

    def run(self, instance: Any, values: dict[str, Any], *, is_text: bool = False) -> Any:
        """Check arguments, and call the method with them.

        Args:
            instance: The object whose method it is.
            values: Arguments by name.
            is_text: Whether numbers are text, as in a query string.

        Raises:
            ValueError: If an argument is missing, unknown or of the wrong type.
        """
        try:
            checked = msgspec.convert(
                values, self.arguments, strict=not is_text, dec_hook=_convert_other
            )
        except msgspec.ValidationError as error:
            names = ", ".join([*self.required_names(), *self.optional_names()])
            msg = f"{error}; arguments of {self.name}: {names or 'none'}"
            raise ValueError(msg) from None
        known = {
            name: value
            for name, value in msgspec.structs.asdict(checked).items()
            if value is not msgspec.UNSET
        }
        own = {field.encode_name for field in self._fields()}
        others = {name: value for name, value in values.items() if name not in own}
        return self.call(instance, **known, **others)

    def bind(self, positional: Iterable[Any], named: dict[str, Any]) -> dict[str, Any]:
        """Name positional arguments, in the order of the method's parameters.

        Args:
            positional: Arguments without names.
            named: Arguments by name.
        """
        names = (field.encode_name for field in self._fields())
        return {**dict(zip(names, positional, strict=False)), **named}

    def _fields(self) -> tuple[msgspec.structs.FieldInfo, ...]:
        return msgspec.structs.fields(self.arguments)


@cache
def actions_of(kind: type[VendorActions]) -> tuple[Action, ...]:
    """The actions of a class: its public methods, those of its base class first.

    Args:
        kind: A subclass of ``VendorActions``.
    """
    methods = {
        name: method
        for base in reversed(kind.__mro__[:-1])
        for name, method in vars(base).items()
        if not name.startswith("_")
    }
    return tuple(Action.from_method(method) for method in methods.values())


def _convert_other(kind: type, value: Any) -> Any:
    """Convert types that msgspec has no conversion for."""
    if kind is ZoneInfo:
        try:
            return ZoneInfo(value)
        except (KeyError, TypeError, ValueError):
            msg = f"unknown time zone {value!r}"
            raise ValueError(msg) from None
    raise NotImplementedError(kind)
