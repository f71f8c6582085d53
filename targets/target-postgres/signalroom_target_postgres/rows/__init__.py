"""From RECORD messages to Arrow batches, and what is buffered until it is loaded."""
