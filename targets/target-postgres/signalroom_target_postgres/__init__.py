"""Singer target for PostgreSQL, with an embedded server when none is configured.

Specs and batches go down, results come up; no layer imports a higher one:

    messages.reader    lines to messages
    target             a message to the sinks of its stream, by way of stream maps
    sink               one stream: buffer, counts, states
    rows.decoder       JSON and files to Arrow, by one codec per column
    warehouse.stream_loader   a batch to its table, in one transaction
    warehouse.writer   COPY and merge, rejected rows
"""

from __future__ import annotations

import os

# Set before pyarrow is imported: its own pools release no memory, 70 MB more at the peak.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
