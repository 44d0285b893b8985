"""How well near duplicates are found: variations of real pictures, and pictures that merely look alike."""
