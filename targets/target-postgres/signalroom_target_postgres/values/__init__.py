"""Types of columns, and how values are written; nothing here knows a message or a table."""
