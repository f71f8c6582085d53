"""The documentation of tables: pages, the READMEs' lists of streams, and the diagram of joins."""
