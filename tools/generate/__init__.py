"""Writes the files that follow from settings, streams and packages."""
