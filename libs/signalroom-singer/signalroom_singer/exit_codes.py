"""Exit codes of taps and targets, by the kind of failure: those of sysexits.h.

They tell a scheduler whether a retry is of use. Meltano logs them (`exit_codes`, in its JSON log),
and exits with 1 itself.
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
    #: Credentials are rejected, or lack a permission.
    PERMISSION = 77
    #: A setting is missing, or its value cannot be used.
    CONFIGURATION = 78
