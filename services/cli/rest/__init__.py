"""The gateway's REST interface as the commands use it."""
