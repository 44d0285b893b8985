"""Recordings: from a video file to the pictures that stand for its scenes."""
