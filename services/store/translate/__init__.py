"""Qdrant's REST models to the engine's objects, and the engine's results to JSON. Pure, no I/O."""
