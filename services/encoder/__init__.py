"""Pictures and texts to vectors of one space, over gRPC."""
