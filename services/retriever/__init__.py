"""The retriever: hybrid search over the stored items, with reasons."""
