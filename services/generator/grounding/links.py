"""Addresses in a text: found as a reader's program would find them, and taken out.

A link that a model was talked into writing can carry what it read to whoever runs the address, by a click or,
as a picture, without one. So no address leaves, neither as markup nor bare; the source itself shows its own.
"""

from __future__ import annotations

import re
import unicodedata

from services.generator.grounding.segments import LINE_ENDS

REMOVED = "…"
"""Stands where an address stood."""

_ALIKE = {0x2024: ".", 0xFE52: ".", 0xFF61: ".", 0x2044: "/", 0x2215: "/", 0x29F8: "/", 0xFE55: ":", 0x2236: ":"}
_PLAIN = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | _ALIKE
"""Full-width ASCII and lookalikes of dot, slash and colon; one character for one, so that places stay."""
_TAIL = r"[!-Z\\^-~]*"
"""Printable ASCII without square brackets: those may belong to a citation."""
_DOMAINS = (
    "com|net|org|info|biz|edu|gov|mil|int|io|ai|app|dev|co|me|tv|cc|xyz|top|site|online|shop|club|link|live|icu|vip"
    "|cn|uk|de|fr|jp|kr|ru|br|in|it|es|nl|pl|eu|us|ca|au|ch|se|no|fi|dk|cz|at|be|tw|hk|sg|tk|ml|ga|cf|gq|to|ly|gg"
    "|example|test|invalid|localhost|local|internal|onion"
)
"""What programs make links of without a scheme, and reserved names. Endings of files (zip, mov) are not here."""
_SCHEMES = "data|javascript|vbscript|mailto|file|blob|tel|sms|about|view-source|ftp|https?|wss?"
_LABELS = r"(?<![a-z0-9-])(?<![a-z0-9-]\.)(?:[a-z0-9-]+\.)+"
_ADDRESS = re.compile(
    rf"""
      (?<![a-z0-9+.-])[a-z0-9+.-]*:[ ]*[/\\][ ]*[/\\]{_TAIL}                # scheme://
    | (?<![a-z0-9])(?:{_SCHEMES})[ ]*:(?=[!-~]){_TAIL}                    # data:
    | (?<![a-z0-9:/\\])[/\\]{{2}}[a-z0-9]{_TAIL}                           # //host
    | (?<![a-z0-9])www[0-9]*\.{_TAIL}
    | (?<![a-z0-9._%+'-])[a-z0-9._%+'-]+@[a-z0-9-]{_TAIL}                 # mail
    | (?<![a-z0-9.])[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}[:/]{_TAIL}                        # 10.0.0.1:80, 10.0.0.1/x
    | {_LABELS}(?:{_DOMAINS}|xn--[a-z0-9-]+)(?![a-z0-9_-]|\.[a-z0-9]){_TAIL}
    | {_LABELS}[a-z]{{2,24}}(?::[0-9]+)?[/?\#][!-Z\\^-~]{_TAIL}
    | (?<=[^\W_a-z0-9])\.(?:{_DOMAINS})(?![a-z0-9_-]){_TAIL}              # a name in other letters
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ENTITY = re.compile(r"&(?=#|[A-Za-z0-9]+;)")
_TRAILING = ".,;:!?)'\"*_"
_ACTING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
_LOOKALIKES = str.maketrans({"<": "‹", ">": "›", "`": "'"})


def visible(text: str) -> str:
    """`text` without characters that are not seen: direction overrides, zero width, control, private, unassigned.

    They are dropped, not replaced, so that an address cannot hide behind them. Line ends and tabs become blanks.
    """
    return "".join(_seen(character) for character in text)


def without_markup(text: str) -> str:
    """`text` in which no character opens a tag, a code span or an entity; it reads the same."""
    return _ENTITY.sub("＆", text.translate(_LOOKALIKES))


def without_addresses(text: str) -> str:
    """`text` with `REMOVED` in the place of every web or mail address, data: and script URL."""
    shadow = text.translate(_PLAIN)
    kept, position = [], 0
    for match in _ADDRESS.finditer(shadow):
        if match.start() < position:
            continue
        end = _trimmed_end(shadow, match)
        kept += [text[position : match.start()], REMOVED]
        position = end
    return "".join((*kept, text[position:]))


def has_address(text: str) -> bool:
    """Whether a reader's program might make a link of a part of `text`."""
    return _ADDRESS.search(text.translate(_PLAIN)) is not None


def _trimmed_end(shadow: str, match: re.Match[str]) -> int:
    """The end without the punctuation of the sentence around it, as long as no address is left in it."""
    stripped = shadow[match.start() : match.end()].rstrip(_TRAILING)
    return match.start() + len(stripped) if stripped else match.end()


def _seen(character: str) -> str:
    if character in LINE_ENDS or character == "\t":
        return " "
    return "" if unicodedata.category(character) in _ACTING else character
