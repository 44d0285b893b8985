"""ZIP and TAR, read strictly: what is not as the format says is refused, not guessed at."""
