"""Everflow's refusals: https://developers.everflow.io/user-guide/errors."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with a status and Everflow's body, ``{"error": text}``."""

    def __init__(self, status: int, text: str) -> None:
        """Refuse.

        Args:
            status: HTTP status code.
            text: Everflow's words.
        """
        super().__init__(text)
        self.status = status
        self.text = text
