"""The base of streams that read through an `ApiClient`."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, Generic

from singer_sdk import metrics
from typing_extensions import TypeVar, override

from signalroom_singer.http.client import ApiClient
from signalroom_singer.isolated_stream import IsolatedStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer.tap import SignalRoomTap

_Client = TypeVar("_Client", bound=ApiClient, default=ApiClient)


def from_client(name: str) -> Any:
    """Declare an attribute of a stream that has the value of its client's.

    Args:
        name: The name of the client's attribute.
    """
    return property(lambda stream: getattr(stream.client, name))


class ApiStream(IsolatedStream, ABC, Generic[_Client]):
    """A stream that reads through a client.

    By default it reads the pages of `path`: declare `path`, and override `query`, `next_query` and
    `parse_rows` as the vendor needs it; or override `get_records`, and use `client` directly.
    Everything about requests (retries, limits, errors) is the client's.
    """

    #: The path below the client's base URL.
    path: str = ""

    def __init__(
        self,
        tap: SignalRoomTap,
        client: _Client,
        *,
        name: str | None = None,
        schema: dict[str, Any] | None = None,
        primary_keys: Sequence[str] | None = None,
    ) -> None:
        """Initialize the stream with a view of the client whose messages name it.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams of the tap share.
            name: The stream's name, where the class does not declare it.
            schema: The JSON schema of records, where the class does not declare it.
            primary_keys: The key columns, where the class does not declare them.
        """
        name = name or self.name
        self.client = client.for_stream(name, tap.logger.getChild(name))
        super().__init__(tap, schema=schema, name=name, primary_keys=primary_keys)

    @override
    def last_request(self) -> str:
        return self.client.last_request

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Read all pages of `path`.

        Args:
            context: The stream's partition, if any.

        Yields:
            The rows of each page, as `parse_rows` returns them.
        """
        for payload in self.read_pages(self.query(context), context):
            yield from self.parse_rows(payload)

    def query(self, context: Context | None) -> dict[str, Any]:  # noqa: ARG002
        """The query parameters of the first page.

        Args:
            context: The stream's partition, if any.
        """
        return {}

    def next_query(self, query: Mapping[str, Any], payload: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """The query parameters of the page after another one; None if that was the last.

        Args:
            query: The parameters of the page that was read.
            payload: The decoded response to them.
        """
        return None

    def parse_rows(self, payload: Any) -> Iterable[Record]:
        """Take the rows out of a page.

        Args:
            payload: The decoded response: a list of rows, or a single one.
        """
        return payload if isinstance(payload, list) else [payload]

    def read_pages(self, query: Mapping[str, Any], context: Context | None = None) -> Iterator[Any]:
        """Read the pages of `path`, until `next_query` says that there is none.

        Args:
            query: The query parameters of the first page.
            context: The stream's partition, for the metric that counts requests.

        Yields:
            The decoded response of each page.
        """
        params: Mapping[str, Any] | None = query
        with metrics.http_request_counter(self.name, endpoint=self.path) as counter:
            counter.with_context(context)
            while params is not None:
                payload = self.client.get(self.path, params)
                counter.increment()
                yield payload
                params = self.next_query(params, payload)
