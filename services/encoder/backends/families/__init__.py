"""The families of joint models: each knows its tokens, its pictures and its projection."""
