"""The control endpoint's part for Google, for tests in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class _Asks(Protocol):
    def ask(self, method: str, path: str, body: Any = None) -> Any: ...


class ControlGoogle:
    """Calls `signalroom_sandbox.gsheets.control.Actions` by name, in the running sandbox.

    Args:
        control: The endpoint.
    """

    def __init__(self, control: _Asks) -> None:
        self._control = control

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def act(**given: Any) -> Any:
            return self._control.ask("POST", f"/gsheets/{action}", given)

        return act
