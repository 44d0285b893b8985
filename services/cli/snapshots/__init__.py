"""Snapshots of the collection in use, in a folder or a bucket: made, listed, restored. See docs/backup.md."""
