"""Migration from dlt: its tables become the loader's, and views keep its columns."""
