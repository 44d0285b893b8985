"""From a manifest line to a stored item: read, check, keep, encode, write, compare."""
