"""The base of all streams of Mautic."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from signalroom_singer import ApiStream, RequestRejectedError, Sensitive, invalid_state
from tap_mautic.client import MauticClient
from tap_mautic.descriptions import DESCRIPTIONS
from tap_mautic.errors import TOO_LARGE
from tap_mautic.names import snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import SignalRoomTap

#: In the state of a stream that is read in full: how many rows it had.
_ROWS = "rows"
#: The loss of this many rows is not suspicious, as long as some are left.
_FEW_ROWS = 10


class MauticStream(ApiStream[MauticClient]):
    """A stream of Mautic's API."""

    descriptions = DESCRIPTIONS
    own_failures = TOO_LARGE | {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
    # Where somebody was, with which device, and the texts and links that one contact was sent.
    personal_fields = frozenset(
        {*("tokens", "client_info", "open_details", "click_details", "ip_details"), "sent_details"}
    )
    #: The key of the rows in a response.
    key: str
    #: What filters and orders call the id.
    id_column: ClassVar[str] = "id"
    #: How many times the setting page_size to request: rows differ in size.
    page_factor: ClassVar[int] = 1
    #: Whether a role that may not view others' is shown fewer rows, or none, without an error.
    shows_own_only: ClassVar[bool] = False

    def __init__(self, tap: SignalRoomTap, client: MauticClient, **options: Any) -> None:
        """Initialize the stream, with pages of its own size.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
            options: Further arguments of `ApiStream`.
        """
        super().__init__(tap, client, **options)
        self.client.set_page_size(int(self.config["page_size"]) * self.page_factor)

    @property
    @override
    def left_out(self) -> frozenset[Sensitive]:
        # Contacts are what people load Mautic for; where they were has a setting of its own.
        included = {Sensitive.PERSON}
        if self.config["include_ip_addresses"]:
            included.add(Sensitive.DEVICE)
        return frozenset(Sensitive) - included

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        if self.ABORT_AT_RECORD_COUNT:
            self.client.set_page_size(self.ABORT_AT_RECORD_COUNT)
        isolated = self.isolate(f"{self.name} of {dict(context)}") if context else nullcontext()
        with self.skip_forbidden(), isolated:
            count = 0
            for row in self.read(context):
                count += 1
                yield row
            if self.is_full_refresh and self.shows_own_only:
                state = self.get_context_state(context)
                before = state.get(_ROWS) or 0
                if not isinstance(before, int):
                    raise invalid_state(before, stream=self.name, field=_ROWS)
                self.check_shrunk(before, count)
                state[_ROWS] = count

    @abstractmethod
    def read(self, context: Context | None) -> Iterable[Record]:
        """Read all rows of a run.

        Args:
            context: The stream's partition, if any.

        Yields:
            Rows, as Mautic sent them.
        """

    def check_shrunk(self, before: int, now: int, difference: str = "") -> None:
        """Reject a list that has lost most of its rows: that is what a narrowed role looks like.

        Args:
            before: How many rows the last run read.
            now: How many rows this run has read.
            difference: How to put it, where the number of rows is not known.

        Raises:
            RequestRejectedError: If it has, and the settings do not accept that.
        """
        has_rows_left = 2 * now >= before or (now and before - now <= _FEW_ROWS)
        if has_rows_left or not self.shows_own_only or self.name in self.config["accept_changes"]:
            return
        difference = difference or f"{now} rows, where it showed {before}"
        msg = (
            f"{self.name}: Mautic shows {difference} before. Its table was left as it was. Mautic "
            "shows a role that may not view others' rows its own ones, without an error: check the "
            "role of the credentials. If the rows were deleted, name the stream in accept_changes "
            "for one run"
        )
        raise RequestRejectedError(msg, HTTPStatus.FORBIDDEN)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        return super().post_process(self.clean(row), context)

    def clean(self, row: Record) -> Record:
        """Make the columns of a record.

        Args:
            row: A row, as Mautic sent it.
        """
        return {snake_case(name): value for name, value in row.items()}
