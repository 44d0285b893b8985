"""Sources: what a job is to take in, read as a stream of lines."""
