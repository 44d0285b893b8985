"""What the system costs on top of its parts: ratios, measured side by side in one run on one machine."""
