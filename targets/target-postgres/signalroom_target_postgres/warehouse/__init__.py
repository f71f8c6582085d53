"""Tables in PostgreSQL: created, altered, and loaded by COPY."""
