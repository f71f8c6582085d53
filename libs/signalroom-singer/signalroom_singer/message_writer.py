"""Writes Singer messages fast."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage, StateMessage
from typing_extensions import override

from signalroom_singer.scopes import ScopesMessage
from signalroom_singer.state_merge import seal_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.singerlib.encoding.simple import Message


class BufferedMsgSpecWriter(MsgSpecWriter):
    """The SDK's msgspec writer, without a system call for each record.

    Records wait in stdout's buffer. Everything else is sent at once together with what
    waits, so a STATE is never sent before, or long after, its records.

    Attributes:
        scopes: Scopes that the next STATE says are complete.
    """

    scopes: Sequence[Mapping[str, Any]] = ()

    @override
    def write_message(self, message: Message) -> None:
        """Write a message to stdout.

        Args:
            message: The message to write.
        """
        if isinstance(message, StateMessage):
            message = self._with_scopes(StateMessage(value=seal_state(message.value)))
        sys.stdout.buffer.write(self.format_message(message))
        if not isinstance(message, RecordMessage):
            sys.stdout.flush()

    def _with_scopes(self, message: StateMessage) -> StateMessage:
        scopes, self.scopes = self.scopes, ()
        return ScopesMessage(message.value, scopes) if scopes else message
