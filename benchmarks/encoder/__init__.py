"""The encoder beside bare forward passes of its model, beside another server, and beside a loop."""
