"""What the tap sends: lines, messages, and the files of BATCH messages."""
