"""Every process of the system on one machine."""
