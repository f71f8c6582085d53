"""``make fidelity``: check the mock vendors and the taps' requests against third-party software.

Each check installs the newest versions of its packages into a separate environment, records the
requests and responses between a tap and the sandbox, and compares them with the other software.
"""

from __future__ import annotations
