"""Logs, metrics and the request id that ties them together across processes."""
