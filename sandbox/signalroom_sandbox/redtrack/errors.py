"""RedTrack's refusals: ``api.Err`` of https://api.redtrack.io/docs/index.html."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with a status and the body ``{"error": text}``."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        """Refuse.

        Args:
            status: HTTP status code.
            text: The words.
            headers: More headers.
        """
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
