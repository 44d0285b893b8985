"""Jobs: what was accepted, and what became of it. Durable beside the media, never in the queue."""
