"""What is found out about a picture beyond its vector: the text inside it, a caption, what is seen."""
