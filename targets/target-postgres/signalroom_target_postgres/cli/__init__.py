"""The command `signalroom-postgres`."""
