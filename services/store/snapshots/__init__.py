"""Snapshots of a collection: one tar file with the engine's files and the collection's description.

The format is this store's own; Qdrant's server has another one and reads none of these, nor the other way round.
What moves items between the two is a new ingestion, or reading points and writing them.
"""
