"""The HTTP edge: paths and bodies of Qdrant's REST API to calls of the service."""
