"""All items with their vectors as a Parquet file: written from a cluster, read into one. See docs/catalogue.md."""
