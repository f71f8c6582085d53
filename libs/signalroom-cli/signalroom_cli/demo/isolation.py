"""An environment without the user's own accounts, databases and states, for the demo.

With the variables of a real ``.env`` the demo would load synthetic rows into the user's database.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from signalroom_singer.settings.client_names import taken_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Options that stop Meltano from reading ``.env``.
NO_ENV_FILE = ("--env-file", os.devnull)


@contextmanager
def isolate_environment(**variables: str) -> Iterator[None]:
    """Remove the variables of taps, loader, Meltano and PostgreSQL from the environment.

    On exit the environment is as it was.

    Args:
        variables: The variables to set in their place.
    """
    before = dict(os.environ)
    # Those of libpq, such as PGHOST, have no underscore.
    removed = [name for name in before if taken_prefix(name) or name.startswith("PG")]
    try:
        for name in removed:
            del os.environ[name]
        os.environ.update(variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
