"""Which projects are read: https://posthog.com/docs/api/projects."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from signalroom_singer import ExitCode, RequestRejectedError, TapError, invalid_setting, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_posthog.client import PostHogStream

_ALL = "all"
_PAGE = 100


class Projects:
    """The projects of the setting ``project_id``, or those that the key can see.

    Args:
        configured: The setting.

    Raises:
        ConfigValidationError: If it is something else than numbers.
    """

    def __init__(self, configured: str | None) -> None:
        words = [word.strip() for word in str(configured or "").split(",") if word.strip()]
        self._all = words == [_ALL]
        if not self._all and not all(word.isdecimal() for word in words):
            problem = (
                "expected the number in the address of the project's pages "
                "(https://us.posthog.com/project/4711), several with commas, or all"
            )
            raise invalid_setting("project_id", problem, configured)
        self._ids = [] if self._all else [*dict.fromkeys(int(word) for word in words)]
        #: Whether the setting names several, or ``all``, however many these are.
        self.are_several = self._all or len(self._ids) > 1

    def ids(self, stream: PostHogStream) -> list[int]:
        """The projects, asked for once.

        Args:
            stream: Whoever asks; its client is used.

        Raises:
            TapError: If they have to be told.
        """
        if not self._ids:
            found = self._visible(stream)
            if not found or (len(found) > 1 and not self._all):
                listed = ", ".join(f"{number} ({name})" for number, name in found.items())
                msg = (
                    f"Set {named('project_id')}: the key can see {listed or 'no project'}. "
                    "Separate several with commas; `all` reads every one."
                )
                raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
            self._ids = [*found]
        return self._ids

    @staticmethod
    def _visible(stream: PostHogStream) -> dict[int, str]:
        try:
            projects = [*_listed(stream)]
        except RequestRejectedError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            # A key that is restricted to projects cannot list them, but knows them.
            own = stream.get("/api/personal_api_keys/@current/")
            return {int(number): "" for number in own.get("scoped_teams") or []}
        return {int(project["id"]): str(project.get("name")) for project in projects}


def _listed(stream: PostHogStream) -> Iterator[dict[str, Any]]:
    offset = 0
    while rows := stream.get("/api/projects/", {"limit": _PAGE, "offset": offset})["results"]:
        yield from rows
        offset += len(rows)
