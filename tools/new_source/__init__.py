"""The command ``make new-source``: a tap, and a mock vendor to test it against."""
