"""``signalroom status``: what each pipeline did, and whether one is stale."""
