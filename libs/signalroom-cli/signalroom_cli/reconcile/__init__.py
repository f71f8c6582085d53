"""``signalroom reconcile``: compare tables with the vendors' own totals."""
