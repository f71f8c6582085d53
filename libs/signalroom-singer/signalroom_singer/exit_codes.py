"""What a tap or target ends with, by the kind of failure: codes of sysexits.h.

A scheduler decides by them whether a retry is of use. Meltano has them in its log as JSON
(`exit_codes`), and itself ends with 1.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """A kind of failure."""

    #: Any other: a retry may help.
    FAILED = 1
    #: What was read is wrong, or the table cannot take it: somebody has to correct it.
    DATA = 65
    #: Vendor or server did not respond, or only with errors: a retry helps once it is back.
    UNAVAILABLE = 75
    #: Credentials are refused, or lack a permission.
    PERMISSION = 77
    #: A setting is missing, or its value cannot be used.
    CONFIGURATION = 78
