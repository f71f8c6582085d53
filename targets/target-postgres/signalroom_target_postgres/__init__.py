"""Singer target for PostgreSQL, with an embedded server when none is configured."""
