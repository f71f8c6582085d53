"""Fixtures of mutation tests: a plugin of pytest."""

from __future__ import annotations

import os

import pytest

#: Names what all forks of this process share.
RUN_ID = f"mutation-{os.getpid()}"


@pytest.fixture(scope="session")
def testrun_uid() -> str:
    """Names the PostgreSQL of all forks, as pytest-xdist does for its workers."""
    return RUN_ID
