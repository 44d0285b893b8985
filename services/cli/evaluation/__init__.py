"""Retrieval quality on public pictures, measured over the system's own REST interface."""
