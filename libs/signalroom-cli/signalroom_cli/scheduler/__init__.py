"""The schedules of all clients, run by one process."""
