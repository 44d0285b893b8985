"""Openers: each reads one kind of strangers' files, inside the sandbox."""
