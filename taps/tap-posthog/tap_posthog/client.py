"""How PostHog's API behaves: https://posthog.com/docs/api."""

from __future__ import annotations

import re
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import (
    ApiClient,
    ErrorMapper,
    RateLimiter,
    RequestRejectedError,
    RetryPolicy,
    ShrinkInstead,
    TapError,
    error_in_ok_response,
    invalid_setting,
    parse_retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from signalroom_singer import ClientContext
    from tap_posthog.projects import Projects

# Reads only; a query is a POST, as its text is long.
ALLOWED_REQUESTS = frozenset(
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
HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be mistyped or revoked, or of the other "
    "region ({api_url}: https://us.posthog.com or https://eu.posthog.com)",
    HTTPStatus.PAYMENT_REQUIRED: "The organization's quota at PostHog is used up: see its "
    "billing page",
    HTTPStatus.FORBIDDEN: "Add the scope to the key (PostHog > Settings > Personal API keys) "
    "and the project to those it may read; or deselect the stream",
    HTTPStatus.NOT_FOUND: "Check {project_id} and {api_url}: this project may be in "
    "the other region",
}
QUERY = "/api/projects/{project_id}/query/"
#: What PostHog answers where a query takes too long or reads too much: a smaller one may succeed.
_TOO_LARGE = frozenset({HTTPStatus.GATEWAY_TIMEOUT, 512, 524})
_SHRINK = ShrinkInstead(_TOO_LARGE)
_BUDGET_ERROR = "api_queries_budget_exceeded"
_BUDGET_WAIT = 3600.0
_POLL_SECONDS, _MAX_POLLS = 1.0, 120
_PROJECTS_PER_PAGE = 100
#: How keys of projects begin.
_PROJECT_KEY, _PROJECT_SECRET = "phc_", "phs_"
#: Hosts that take events or redirect, and those that answer instead: a redirect would turn a query
#: into a GET and drop the key.
_API_HOSTS = {
    "app.posthog.com": "us.posthog.com",
    "us.i.posthog.com": "us.posthog.com",
    "eu.i.posthog.com": "eu.posthog.com",
}


class QueryTooLargeError(TapError):
    """PostHog could not answer a query in time."""


class PostHogRetryPolicy(RetryPolicy):
    """Waits for PostHog's hourly budget of bytes, if the settings allow that.

    Args:
        max_budget_wait: The most seconds to wait for the budget.
        options: Further arguments of `RetryPolicy`.
    """

    def __init__(self, *, max_budget_wait: float, **options: Any) -> None:
        super().__init__(**options)
        self._max_budget_wait = float(max_budget_wait)

    @override
    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        wait = budget_wait(error)
        if wait is None:
            return super().wait(error, attempt)
        # A retry within seconds would be pointless, the budget refills over an hour.
        return wait if wait <= self._max_budget_wait and attempt < self.max_tries else None


class PostHogClient(ApiClient):
    """PostHog's API, with its three classes of limits, its queries and its projects.

    Args:
        context: The tap's settings, connections, logger and limits.
        base_url: The address of the instance, as the settings have it.
        projects: The projects that the settings select.
    """

    def __init__(self, context: ClientContext, *, base_url: str, projects: Projects) -> None:
        config = context.config
        key = config["api_key"]
        check_key(key)
        super().__init__(
            context,
            base_url=api_address(base_url),
            allowed_requests=ALLOWED_REQUESTS,
            auth=BearerTokenAuthenticator(token=key),
            rate_limit=RateLimiter(
                per_minute=config["requests_per_minute"],
                per_hour=config["requests_per_hour"],
                account=context.account,
            ),
            retry=PostHogRetryPolicy(
                max_budget_wait=config["max_budget_wait"],
                max_tries=config["max_tries"],
                max_wait=config["max_retry_wait"],
            ),
            errors=ErrorMapper(hints=HINTS, find_error=find_error),
        )
        self.projects = projects
        self._projects_lock = threading.Lock()
        clickhouse_limit = RateLimiter(
            per_minute=config["clickhouse_requests_per_minute"],
            per_hour=config["clickhouse_requests_per_hour"],
            concurrency=1,
            account=context.account,
            group="clickhouse",
        )
        # Resources of a project with limits of their own. Queries go one at a time, as PostHog
        # allows three to a whole organization.
        self._limits_by_resource = {
            "query": RateLimiter(
                per_minute=config["query_requests_per_minute"],
                per_hour=config["query_requests_per_hour"],
                concurrency=1,
                account=context.account,
                group="queries",
                account_concurrency=config["max_concurrent_queries"],
                longest_request=2 * config["request_timeout"],
            ),
            "events": clickhouse_limit,
            "insights": clickhouse_limit,
            "session_recordings": clickhouse_limit,
        }

    @override
    def rate_limiter(self, path: str) -> RateLimiter:
        _, _, below_projects = path.rpartition("/projects/")
        _, resource, *_ = f"{below_projects}//".split("/")
        return self._limits_by_resource.get(resource) or super().rate_limiter(path)

    # Queries

    def query(
        self, project: int, text: str, values: Mapping[str, Any], *, may_shrink: bool = False
    ) -> dict[str, Any]:
        """Run a HogQL query: https://posthog.com/docs/api/queries.

        Args:
            project: The project to query.
            text: The query in HogQL.
            values: The values of its ``{placeholders}``.
            may_shrink: Whether the caller can send a smaller query: then one that is too large is
                not retried as it is.

        Returns:
            The response, with ``columns`` and ``results``.

        Raises:
            QueryTooLargeError: If PostHog cannot answer it in time.
        """
        path = QUERY.format(project_id=project)
        body = {
            "query": {"kind": "HogQLQuery", "query": text, "values": dict(values)},
            # By default PostHog may answer from a cache, without what came late.
            "refresh": "force_blocking",
            "name": f"tap-posthog {self.stream_name}",
        }
        shrink = _SHRINK if may_shrink else None
        try:
            return self._await_results(path, self.post(path, body, shrink=shrink), shrink)
        except RetriableAPIError as error:
            if error.response is None or error.response.status_code not in _TOO_LARGE:
                raise
            raise QueryTooLargeError(str(error)) from None

    def _await_results(
        self, path: str, payload: Any, shrink: ShrinkInstead | None
    ) -> dict[str, Any]:
        """Poll a query until it has finished, where PostHog chose to answer later (202)."""
        for _ in range(_MAX_POLLS):
            if not isinstance(payload, dict):
                msg = (
                    f"{self.stream_name}: PostHog's response to a query is not an object; nothing "
                    "was loaded"
                )
                raise TapError(msg)
            status = payload.get("query_status")
            if not status or payload.get("results") is not None:
                return payload
            if status.get("complete"):
                results = status.get("results")
                return results if isinstance(results, dict) else {**payload, "results": results}
            time.sleep(_POLL_SECONDS)
            try:
                payload = self.get(f"{path}{status['id']}/", shrink=shrink)
            except RequestRejectedError as error:
                # It failed, or its result is not kept any more: a smaller one may succeed.
                raise QueryTooLargeError(str(error)) from None
        msg = (
            f"{self.stream_name}: PostHog was still working on a query after {_MAX_POLLS} s. Try "
            "again later, or set window_hours and page_size lower."
        )
        raise QueryTooLargeError(msg)

    # Projects

    def request_project_ids(self) -> list[int]:
        """List the projects to read; PostHog is asked once, if the settings do not name them.

        Raises:
            TapError: If the settings have to name one.
        """
        with self._projects_lock:
            if not self.projects.ids:
                self.projects.select(self._request_visible_projects())
            return self.projects.ids

    def _request_visible_projects(self) -> dict[int, str]:
        """Request the ids and names of the projects that the key can see."""
        try:
            return {
                int(project["id"]): str(project.get("name")) for project in self._list_projects()
            }
        except RequestRejectedError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            # A key that is restricted to projects cannot list them, but knows them.
            key = self.get("/api/personal_api_keys/@current/")
            return {int(number): "" for number in key.get("scoped_teams") or []}

    def _list_projects(self) -> Iterator[dict[str, Any]]:
        offset = 0
        page = {"limit": _PROJECTS_PER_PAGE}
        while rows := self.get("/api/projects/", {**page, "offset": offset})["results"]:
            yield from rows
            offset += len(rows)


def api_address(address: str) -> str:
    """The address of the host that answers requests, in place of one that takes events.

    Args:
        address: The address as the settings have it; an ``/api`` at its end may stay.
    """
    parts = urlsplit(address)
    host = _API_HOSTS.get(parts.netloc.lower(), parts.netloc)
    return urlunsplit((parts.scheme, host, re.sub(r"/api$", "", parts.path), "", ""))


def check_key(key: str) -> None:
    """Check that a key is not of a kind that cannot read.

    Args:
        key: The setting ``api_key``.

    Raises:
        ConfigValidationError: If it is a project's key.
    """
    if key.startswith((_PROJECT_KEY, _PROJECT_SECRET)):
        limit = "only sends events" if key.startswith(_PROJECT_KEY) else "cannot list projects"
        problem = (
            f"this is a project's key ({key[:4]}...), which {limit}. Create a personal API "
            "key: PostHog > Settings > Personal API keys"
        )
        raise invalid_setting("api_key", problem)


def find_error(payload: Any) -> str | None:
    """Find the error in a response with status 200.

    Args:
        payload: The decoded body of the response.

    Returns:
        PostHog's message; None if this is a proper response.
    """
    if isinstance(payload, dict) and payload.get("error") and not payload.get("results"):
        return str(payload["error"])
    return error_in_ok_response(payload)


def budget_wait(error: RetriableAPIError) -> float | None:
    """The seconds until PostHog's hourly budget of bytes refills.

    Args:
        error: Why a request failed.

    Returns:
        The seconds; None if the request did not fail for the budget.
    """
    response = error.response
    if (
        response is None
        or response.status_code != HTTPStatus.TOO_MANY_REQUESTS
        or _BUDGET_ERROR not in response.text
    ):
        return None
    return parse_retry_after(response.headers.get("Retry-After")) or _BUDGET_WAIT
