"""``signalroom remove-client``: remove a client's states, rows, schedules and file."""
