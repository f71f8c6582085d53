"""When to try again, and how long to wait first."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, section 10.2.3).

    Args:
        value: The header: seconds or an HTTP date. Some vendors send it empty.
        now: What a date is compared with; the clock, by default.

    Returns:
        Seconds to wait, never negative; ``None`` where the header says nothing usable.
    """
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def exponential_wait(attempt: int, *, first: float = 0.5, longest: float = 60.0) -> float:
    """Double the wait with each attempt, with jitter so that threads do not return as one.

    Args:
        attempt: 0 for the wait after the first failure.
        first: The base of the first wait, in seconds.
        longest: The cap, in seconds.

    Returns:
        Between half the wait and the whole of it.
    """
    wait = min(longest, first * 2.0 ** min(attempt, 30))
    return wait * random.uniform(0.5, 1.0)  # nosec B311 # noqa: S311 - jitter, not cryptography
