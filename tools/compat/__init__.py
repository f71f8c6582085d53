"""Tests with other versions of Python, PostgreSQL, taps, targets and dependencies."""
