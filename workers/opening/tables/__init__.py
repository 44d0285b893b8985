"""Tables: CSV, TSV and Parquet, a row for each item."""
