"""Local stand-ins of the vendors that SignalRoom reads, with synthetic data and faults."""
