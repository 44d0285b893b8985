"""Calls to models behind an OpenAI-compatible endpoint: what the generator and the workers share."""
