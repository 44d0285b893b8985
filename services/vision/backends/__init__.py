"""What writes the answers. torch and transformers are imported here alone."""
