"""Names for what is seen in a picture, by comparing it with a list of words in the joint space."""
