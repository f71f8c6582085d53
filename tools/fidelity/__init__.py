"""``make fidelity``: the mock vendors and the taps' requests against software of other people.

Each check installs the newest versions of its packages into an environment of its own, records what
a tap and the sandbox send each other, and compares that with what the other software makes of it.
"""

from __future__ import annotations
