"""PostHog's errors, and the permissions of keys: https://posthog.com/docs/api."""

from __future__ import annotations

from dataclasses import dataclass

from signalroom_sandbox import vendor
from signalroom_sandbox.posthog.world import PROJECT, SECOND_PROJECT

PERSONAL_KEY = "phx_sandbox-posthog-personal-key"
#: Another key, which may only read events and flags.
LIMITED_KEY = "phx_sandbox-posthog-limited-key"
#: Restricted to one project; endpoints that are not below a project reject it.
SCOPED_KEY = "phx_sandbox-posthog-scoped-key"
#: For sending events, not for reading them.
PROJECT_KEY = "phc_sandbox-posthog-project-key"
#: Begins all secrets in responses, so that tests can search for them.
SECRET = "sandbox-posthog-notasecret"  # noqa: S105

_TYPES = {
    401: "authentication_error",
    403: "authentication_error",
    404: "invalid_request",
    405: "invalid_request",
    429: "throttled_error",
    400: "validation_error",
}


class ApiError(vendor.ApiError):
    """A response with PostHog's body for errors.

    Args:
        status: HTTP status code.
        code: PostHog's code of the error.
        detail: PostHog's message, in English.
        retry_after: Seconds of the header; None without it.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        kind = _TYPES.get(status, "server_error")
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = "Bearer"
        body = {"type": kind, "code": code, "detail": detail, "attr": None}
        super().__init__(status, detail, headers, body=body)


@dataclass(frozen=True)
class Key:
    """A personal API key.

    Attributes:
        scopes: Its scopes; ``*`` is all of them.
        projects: The projects it is restricted to; none if it is not restricted.
        reads: The projects of its user.
    """

    scopes: tuple[str, ...] = ("*",)
    projects: tuple[int, ...] = ()
    reads: tuple[int, ...] = (PROJECT, SECOND_PROJECT)


KEYS = {
    PERSONAL_KEY: Key(),
    LIMITED_KEY: Key(scopes=("query:read", "feature_flag:write", "project:read")),
    SCOPED_KEY: Key(projects=(PROJECT,)),
}


def key_of(authorization: str | None, keys: dict[str, Key]) -> Key:
    """Look a key up.

    Args:
        authorization: Value of the header ``Authorization``.
        keys: All keys, by secret.

    Raises:
        ApiError: The key is missing or unknown.
    """
    kind, _, value = (authorization or "").partition(" ")
    if kind != "Bearer" or not value:
        raise ApiError(401, "not_authenticated", "Authentication credentials were not provided.")
    if value not in keys:
        raise ApiError(
            401,
            "authentication_failed",
            "Personal API key found in request Authorization header is invalid.",
        )
    return keys[value]


def check(key: Key, scope: str | None, project: int | None) -> None:
    """Check the permissions of a key.

    Args:
        key: The key of the request.
        scope: The required scope, such as ``query``; None if any key will do.
        project: Id of the project; None if the path has none.

    Raises:
        ApiError: The key lacks a permission.
    """
    if key.projects and project not in key.projects:
        subject = f"project {project}" if project else "endpoints that are not below a project"
        raise ApiError(403, "permission_denied", f"API key does not have access to {subject}.")
    if project is not None and project not in key.reads:
        raise ApiError(404, "not_found", "Project not found.")
    if scope and not {"*", f"{scope}:read", f"{scope}:write"} & {*key.scopes}:
        detail = f"API key missing required scope '{scope}:read'"
        raise ApiError(403, "permission_denied", detail)
