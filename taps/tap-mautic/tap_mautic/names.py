"""Names of columns."""

from __future__ import annotations

import re
from functools import cache


@cache
def snake_case(name: str) -> str:
    """Write a name of Mautic's as columns have it: ``dateAdded`` as ``date_added``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
