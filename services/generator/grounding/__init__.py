"""What a model wrote, made safe to show: whole sentences that cite what was retrieved, and nothing that acts."""
