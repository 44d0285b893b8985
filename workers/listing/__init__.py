"""Listing: from a streamed job's source to its lines."""
