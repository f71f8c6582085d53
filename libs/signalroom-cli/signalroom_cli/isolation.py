"""An environment without the user's own accounts, databases and states, for the demo.

With the variables of a real ``.env`` it would load made-up rows into the user's database.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from signalroom_singer.settings.client_names import taken_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The options of a Meltano that reads no ``.env``.
NO_ENV_FILE = ("--env-file", os.devnull)


@contextmanager
def isolated(**variables: str) -> Iterator[None]:
    """Take the variables of taps, loader, Meltano and PostgreSQL out of the environment meanwhile.

    Args:
        variables: What to set in their place.
    """
    before = dict(os.environ)
    # libpq's, as PGHOST, have no underscore.
    theirs = [name for name in before if taken_prefix(name) or name.startswith("PG")]
    try:
        for name in theirs:
            del os.environ[name]
        os.environ.update(variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
