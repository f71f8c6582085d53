"""The streams: one for each table of files, and one for the files themselves."""
