"""Opening what strangers sent in a process of its own, with bounds on time and memory."""
