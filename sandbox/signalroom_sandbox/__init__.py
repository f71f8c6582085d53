"""Mock servers of the vendors that SignalRoom reads, with synthetic data and faults."""
