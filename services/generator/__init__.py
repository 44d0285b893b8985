"""Grounded answers: composed from what was retrieved, every sentence cited, streamed."""
