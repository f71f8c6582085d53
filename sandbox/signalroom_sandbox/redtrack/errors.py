"""RedTrack's errors: ``api.Err`` of https://api.redtrack.io/docs/index.html."""

from __future__ import annotations


class ApiError(Exception):
    """A response with a status and the body ``{"error": text}``."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        """Make the response.

        Args:
            status: HTTP status code.
            text: The message of the body.
            headers: Further headers of the response.
        """
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
