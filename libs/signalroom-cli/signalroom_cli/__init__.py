"""Commands for a SignalRoom project: ``signalroom``."""
