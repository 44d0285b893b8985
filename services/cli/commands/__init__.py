"""One module a command: options in, use case, result out."""
