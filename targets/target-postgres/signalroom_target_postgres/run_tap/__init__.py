"""The command `signalroom-run-tap`."""
