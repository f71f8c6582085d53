"""Singer tap for CSV exports on S3."""

from __future__ import annotations

import os
import sys

# Before pyarrow is imported: with many threads the other pools keep twice of what is in use.
if sys.platform in {"darwin", "linux"}:
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
