"""What a model wrote, made safe to show: whole sentences that cite what was retrieved, without anything that acts."""
