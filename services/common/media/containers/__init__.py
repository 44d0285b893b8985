"""The byte structure of picture files: what may stay of a file once its metadata is gone.

Each module has one function `strip(data, orientation)`. It copies what the pixels need, drops the rest, and keeps
an EXIF orientation other than upright as a block that holds that one tag.
"""
