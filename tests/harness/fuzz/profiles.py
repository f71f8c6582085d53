"""How much is tried: the same few of it in `make test`, more and other ones in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: Of each tap's answers, in `make test`.
FAST = 8
EXAMPLES = int(os.environ.get("SIGNALROOM_FUZZ", FAST))


def profile(fast: int = FAST) -> settings:
    """The settings of a test.

    Args:
        fast: How many examples in `make test`; others have as many more as `make fuzz` asks for.
    """
    return settings(
        max_examples=fast * EXAMPLES // FAST,
        derandomize=EXAMPLES == FAST,
        print_blob=True,
        deadline=None,
        database=None,
        # Fixtures of the whole session, and draws that run a tap.
        suppress_health_check=list(HealthCheck),
    )


#: Seconds that a test may take.
TIMEOUT = 0 if EXAMPLES > FAST else 300
