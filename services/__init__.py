"""The deployables of imagerag and what they share."""
