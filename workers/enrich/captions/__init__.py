"""What a vision model writes about a picture."""
