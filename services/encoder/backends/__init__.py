"""The models. Whatever imports torch or transformers lives here and is imported only when it is chosen."""
