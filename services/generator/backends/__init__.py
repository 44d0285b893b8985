"""What writes an answer; chosen by a setting, named by `app.py` alone."""
