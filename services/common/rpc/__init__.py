"""gRPC as every service of the cluster does it: one server, one client channel, one error table."""
