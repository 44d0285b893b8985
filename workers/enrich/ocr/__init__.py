"""The text inside pictures: found and read by a model in a process of its own, put in order, kept."""
