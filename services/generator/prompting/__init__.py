"""What a model is told: rules, sources as fenced data within a budget of tokens, pictures, the question. Pure."""
