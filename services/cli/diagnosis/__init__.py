"""What may be wrong on this machine, and how to mend it."""
