"""``signalroom demo``: load the mock vendors' data, twice, and compare it with the vendors'."""
