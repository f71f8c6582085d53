"""The error of a value that does not fit."""

from __future__ import annotations


class UnfitError(ValueError):
    """A value is not what its column, or its schema, takes.

    Args:
        expected: What is expected, as `an integer`.
        got: What came in its place, without the value, which may be personal data.
    """

    def __init__(self, *, expected: str, got: object) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.got = got
