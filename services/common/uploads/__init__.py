"""Files of any kind that were uploaded for a job: kept until a worker has opened them."""
