"""The command line: the cluster on one machine, and a client of its REST interface."""
