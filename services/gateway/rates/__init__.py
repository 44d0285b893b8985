"""How often a key may call: one algorithm, counted in Redis for all replicas, or in this process."""
