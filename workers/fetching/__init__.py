"""Fetching from the web on a caller's word, without being led into our own network."""
