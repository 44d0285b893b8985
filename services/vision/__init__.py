"""A vision-language model of transformers behind OpenAI's chat interface: captions without another server."""
