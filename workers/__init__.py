"""The workers: a Celery application that ingests what was accepted, and reconciles what the queue lost."""
