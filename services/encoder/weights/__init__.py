"""Fetches a model's files, of one pinned revision, into a folder that the encoder loads them from.

Clusters fetch once, into a volume; the encoder itself then needs no way out of its network.
"""
