"""Pictures that were there before: who came first, and what a job wants done with the others."""
