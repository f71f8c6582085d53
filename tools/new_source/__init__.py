"""Creates a source: a tap, and a mock vendor to test it against."""
