"""What documents are made of: words, paragraphs, passages, pages and pictures."""
