"""Ingestion: what the queue and all its promises cost, beside the bare stages and beside a loop of one's own."""
