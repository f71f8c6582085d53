"""``signalroom backfill``: load a date range of a tap in parallel slices."""
