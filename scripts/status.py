"""What the pipelines did: ``make status``."""

from __future__ import annotations

import sys

from pipeline_status.command import main

if __name__ == "__main__":
    sys.exit(main())
