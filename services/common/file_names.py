"""Names that say nothing: those that cameras, scanners and programs give to files. Pure."""

from __future__ import annotations

import re

_WORDS = """
img image images pic pict picture photo foto dsc dscn dscf dscp pxl mvimg vid video mov gopr cimg
scan scanned scanner scn doc document file page untitled unnamed noname new copy temp tmp download final edited
screenshot screen shot capture clipboard bildschirmfoto wechat weixin mmexport whatsapp telegram signal at am pm
jpg jpeg png webp gif bmp tif tiff pdf mp4
图片 照片 图像 截图 截屏 屏幕截图 屏幕快照 微信图片 微信截图 扫描件 扫描 未命名 无标题 新建 副本 文件 上午 下午
"""
_MADE_BY_PROGRAMS = frozenset(_WORDS.split())
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_HEX = re.compile(r"[0-9a-f]+")
_HEX_CHARS = 6
_SPLIT = re.compile(r"[\s_.\-–—()\[\]#~+,:]+")


def says_nothing(name: str) -> bool:
    """Whether a title is no more than what a program calls a file: "IMG_0234.jpg", "scan 12", "微信图片_2024".

    Args:
        name: A title or a file name; an empty one says nothing either.
    """
    return all(_is_made_up(part) for part in _SPLIT.split(name.lower()) if part)


def _is_made_up(part: str) -> bool:
    if len(part) >= _HEX_CHARS and _HEX.fullmatch(part) and any(sign.isdigit() for sign in part):
        return True
    pieces = _PIECE.findall(part)
    return all(
        piece.isdigit() or piece in _MADE_BY_PROGRAMS or (len(piece) == 1 and piece.isascii()) for piece in pieces
    )
