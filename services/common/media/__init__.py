"""Pictures: how they are checked, decoded and kept."""
