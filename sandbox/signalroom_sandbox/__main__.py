"""``python -m signalroom_sandbox``."""

from __future__ import annotations

import sys

from signalroom_sandbox.cli import main

sys.exit(main())
