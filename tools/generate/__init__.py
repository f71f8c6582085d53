"""Writes the files that are generated from settings, streams and packages."""
