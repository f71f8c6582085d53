"""How PostHog's API behaves: https://posthog.com/docs/api."""

from __future__ import annotations

import time
from abc import abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.exceptions import RetriableAPIError
from singer_sdk.singerlib import Metadata, Schema
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import (
    HTTPStream,
    RateLimiter,
    RequestRejectedError,
    TapError,
    parse_retry_after,
)
from tap_posthog.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests
    from backoff.types import Details
    from singer_sdk.authenticators import BearerTokenAuthenticator
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_posthog.tap import TapPostHog

#: What PostHog answers where a query takes too long or reads too much: a smaller one may do.
TOO_LARGE = frozenset({HTTPStatus.GATEWAY_TIMEOUT, 512, 524})
_BUDGET = "api_queries_budget_exceeded"
QUERY = "/api/projects/{project_id}/query/"
_POLL_SECONDS, _MOST_POLLS = 1.0, 120

PROJECT_ID = th.Property(
    "project_id", th.IntegerType, required=True, description="The project it is of"
)


class QueryTooLargeError(TapError):
    """PostHog could not answer a query in time."""


class PostHogStream(HTTPStream[Any]):
    """A stream of one or more projects."""

    descriptions = DESCRIPTIONS
    #: What the scope of its key is called, where it is not the stream's name in the singular.
    scope_object: ClassVar[str] = ""
    # Reads only; a query is a POST, as its text is long.
    allowed_requests = frozenset(
        {
            ("GET", "/api/personal_api_keys/@current/"),
            ("GET", "/api/projects/"),
            ("GET", "/api/projects/{}/"),
            ("GET", "/api/projects/{}/actions/"),
            ("GET", "/api/projects/{}/annotations/"),
            ("GET", "/api/projects/{}/cohorts/"),
            ("GET", "/api/projects/{}/dashboards/"),
            ("GET", "/api/projects/{}/event_definitions/"),
            ("GET", "/api/projects/{}/events/"),
            ("GET", "/api/projects/{}/experiments/"),
            ("GET", "/api/projects/{}/feature_flags/"),
            ("GET", "/api/projects/{}/groups/"),
            ("GET", "/api/projects/{}/groups_types/"),
            ("GET", "/api/projects/{}/insights/"),
            ("GET", "/api/projects/{}/property_definitions/"),
            ("GET", "/api/projects/{}/query/{}/"),
            ("GET", "/api/projects/{}/session_recordings/"),
            ("GET", "/api/projects/{}/surveys/"),
            ("POST", "/api/projects/{}/query/"),
        }
    )
    error_hints: ClassVar[Mapping[int, str]] = {
        HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be "
        "mistyped or revoked, or of the other region ({api_url}: https://us.posthog.com or "
        "https://eu.posthog.com)",
        HTTPStatus.PAYMENT_REQUIRED: "The organization's quota at PostHog is used up: see its "
        "billing page",
        HTTPStatus.FORBIDDEN: "Add the scope to the key (PostHog > Settings > Personal API keys) "
        "and the project to those it may read; or deselect the stream",
        HTTPStatus.NOT_FOUND: "Check {project_id} and {api_url}: this project may be in "
        "the other region",
    }
    # The picture that a user made of himself.
    personal_fields = frozenset({"hedgehog_config"})
    _tap: TapPostHog
    #: A query that is too large can be asked for in parts: it is not tried again as it is.
    _may_split = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize; where several projects are read, ``project_id`` is part of the key.

        Args:
            args: As for the SDK's stream.
            kwargs: As for the SDK's stream.
        """
        super().__init__(*args, **kwargs)
        # Ids that senders make may be in several projects, and some rows are listed with each.
        if self._tap.projects.are_several and "project_id" not in self.primary_keys:
            self.primary_keys = (*self.primary_keys, "project_id")

    @property
    def scope(self) -> str:
        """The scope that a personal API key needs to read the stream."""
        return f"{self.scope_object or self.name.removesuffix('s')}:read"

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        entry = catalog.get_stream(self.name)
        if entry and {*(entry.key_properties or ())} != {*self.primary_keys}:
            # It is from before a setting changed: by its key rows would be lost.
            entry.key_properties = [*self.primary_keys]
            entry.schema = Schema.from_dict(self.schema)
            for name in self.primary_keys:
                automatic = Metadata(inclusion=Metadata.InclusionType.AUTOMATIC)
                entry.metadata["properties", name] = automatic
        super().apply_catalog(catalog)

    @property
    @override
    def url_base(self) -> str:
        return self._tap.api_url

    @property
    @override
    def authenticator(self) -> BearerTokenAuthenticator:
        return self._tap.authenticator

    @property
    @override
    def partitions(self) -> list[dict[str, int]] | None:
        return [{"project_id": number} for number in self._tap.projects.ids(self)]

    @override
    def pacer(self, request: requests.PreparedRequest) -> RateLimiter:
        _, _, below = urlsplit(request.url or "").path.rpartition("/projects/")
        _, resource, *_ = f"{below}//".split("/")
        return self._tap.pacers.get(resource, self._tap.pacer)

    @override
    def vendor_error(self, payload: Any) -> str | None:
        if isinstance(payload, dict) and payload.get("error") and not payload.get("results"):
            return str(payload["error"])
        return super().vendor_error(payload)

    @override
    def retry_wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        if (response := error.response) is not None:
            if self._may_split and response.status_code in TOO_LARGE:
                return None
            if (wait := budget_wait(response)) is not None:
                # Trying in seconds would be pointless, the budget refills over an hour.
                longest = float(self.config["max_budget_wait"])
                return wait if wait <= longest and attempt < self.config["max_tries"] else None
        return super().retry_wait(error, attempt)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask an endpoint.

        Args:
            path: Below the base.
            params: The query.

        Returns:
            The decoded answer.
        """
        return self.fetch(HTTPRequest(url=self.url_base + path, params=dict(params or {})))

    def query(self, project: int, text: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Run a HogQL query: https://posthog.com/docs/api/queries.

        Args:
            project: Of which project.
            text: The query.
            values: What its ``{placeholders}`` stand for.

        Returns:
            The answer, with ``columns`` and ``results``.

        Raises:
            QueryTooLargeError: If PostHog cannot answer it in time.
            TapError: If the budget of bytes is spent.
        """
        path = QUERY.format(project_id=project)
        body = {
            "query": {"kind": "HogQLQuery", "query": text, "values": dict(values)},
            # By default PostHog may answer from a cache, without what came late.
            "refresh": "force_blocking",
            "name": f"{self.tap_name} {self.name}",
        }
        try:
            answer = self.fetch(HTTPRequest(url=self.url_base + path, method="POST", data=body))
            return self._finished(path, answer)
        except RetriableAPIError as error:
            if error.response is None:
                raise
            if error.response.status_code in TOO_LARGE:
                raise QueryTooLargeError(str(error)) from None
            if budget_wait(error.response) is not None:
                then = (
                    "All that was read is in the state: the next run goes on from there"
                    if self.replication_key
                    else "The table is as it was; the next run reads it whole"
                )
                msg = f"{error}. {then}. To wait instead, set max_budget_wait to more seconds."
                raise TapError(msg) from None
            raise

    def _finished(self, path: str, answer: Any) -> dict[str, Any]:
        """Wait for a query that PostHog chose to answer later (202)."""
        for _ in range(_MOST_POLLS):
            if not isinstance(answer, dict):
                msg = f"{self.name}: PostHog's answer to a query is none; nothing was loaded"
                raise TapError(msg)
            status = answer.get("query_status")
            if not status or answer.get("results") is not None:
                found: dict[str, Any] = answer
                return found
            if status.get("complete"):
                results = status.get("results")
                return results if isinstance(results, dict) else {**answer, "results": results}
            time.sleep(_POLL_SECONDS)
            try:
                answer = self.get(f"{path}{status['id']}/")
            except RequestRejectedError as error:
                # It failed, or its result is not kept any more: a smaller one may do.
                raise QueryTooLargeError(str(error)) from None
        msg = (
            f"{self.name}: PostHog was still working on a query after {_MOST_POLLS} s. Try again "
            "later, or set window_hours and page_size lower."
        )
        raise QueryTooLargeError(msg)

    @override
    def _log_giving_up(self, details: Details) -> None:
        # It is not given up, but asked for in parts.
        if not self._may_split:
            super()._log_giving_up(details)

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        # Other projects may be read; the table keeps what it has of this one.
        what = f"{self.name} of project {project_of(context)}"
        with self._tap.permission_errors.skip_forbidden(self, what):
            yield from self.read_project(context)

    @abstractmethod
    def read_project(self, context: Context | None) -> Iterable[Record]:
        """Read the records of one project.

        Args:
            context: The project.

        Yields:
            Records.
        """

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        if context:
            row["project_id"] = context["project_id"]
        return super().post_process(self.cleaned(row), context)

    def cleaned(self, row: Record) -> Record:
        """Make a record of what PostHog sent.

        Args:
            row: As it came, changed in place.
        """
        return row


def project_of(context: Context | None) -> int:
    """The project of a partition."""
    if context is None:
        msg = "a stream of PostHog is always read by project"
        raise ValueError(msg)
    return int(context["project_id"])


def budget_wait(response: requests.Response) -> float | None:
    """How long PostHog asks to wait for its budget of bytes; none if it is something else."""
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or _BUDGET not in response.text:
        return None
    return parse_retry_after(response.headers.get("Retry-After")) or 3600.0


def named_rows(answer: Mapping[str, Any], columns: list[str], *, stream: str) -> Iterator[Record]:
    """Rows by the names of the answer's columns, which may come in any order.

    Args:
        answer: A query's.
        columns: Those that must be there.
        stream: Whose.

    Yields:
        Records.

    Raises:
        TapError: If one is missing, or a row has another length.
    """
    names = [str(name).strip("`") for name in answer.get("columns") or []]
    results = answer.get("results")
    if missing := {*columns} - {*names}:
        told = ", ".join(sorted(missing))
        msg = f"{stream}: POST .../query/ answered without the columns {told}: nothing was loaded"
        raise TapError(msg)
    if not isinstance(results, list):
        msg = f"{stream}: POST .../query/ answered without results: nothing was loaded"
        raise TapError(msg)
    for row in results:
        yield dict(zip(names, row, strict=True))
