"""Everflow's errors: https://developers.everflow.io/user-guide/errors."""

from __future__ import annotations


class ApiError(Exception):
    """A response with a status and Everflow's body, ``{"error": text}``."""

    def __init__(self, status: int, text: str) -> None:
        """Make the response.

        Args:
            status: HTTP status code.
            text: The message of Everflow's body.
        """
        super().__init__(text)
        self.status = status
        self.text = text
