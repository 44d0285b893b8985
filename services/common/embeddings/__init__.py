"""Embeddings that were made before, by what they were made from and the contract they were made under."""
