"""What two or more deployables share. Imports no deployable."""
