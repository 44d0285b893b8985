"""The reconciler: what is accepted and not stored is queued again, whatever the queue did with it."""
