"""The index: how items become Qdrant points and queries become legs. The only importer of qdrant_client."""
