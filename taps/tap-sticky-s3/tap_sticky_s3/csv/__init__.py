"""CSV files: their bytes as UTF-8, their dialect, their rows as Arrow batches."""
