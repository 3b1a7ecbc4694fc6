"""How many parts a text message takes: the GSM 7-bit alphabet of 3GPP TS 23.038 (GSM 03.38), or else UCS-2."""

from __future__ import annotations

import unicodedata

# The default alphabet (6.2.1) without its escape, and the extension table (6.2.1.1), whose characters take two septets.
ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
# What one message holds, and each part of several, which a header of six octets joins again.
SEPTETS, SEPTETS_OF_PART = 160, 153
UNITS, UNITS_OF_PART = 70, 67

# Typographic signs, and what says the same within the alphabet.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′´`‹›", "'"),
        **dict.fromkeys("‐‑‒–—―−•·", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\t", " "),
        **dict.fromkeys("\u00ad\u200b\u2060\ufeff", None),
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "→": "->",
        "×": "x",
        "\r": None,
    }
)
_COSTS = {**dict.fromkeys(ALPHABET, 1), **dict.fromkeys(EXTENSION, 2)}


def plain(text: str) -> str:
    """Return text with its typographic signs as those of the GSM alphabet; every other character stays."""
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def is_gsm(text: str) -> bool:
    """Tell whether the text can be sent in septets; one character outside makes it UCS-2 as a whole."""
    return all(sign in _COSTS for sign in text)


def parts(text: str) -> int:
    """Return how many parts a text message is billed and sent as; none for an empty one.

    A character of two septets or two code units is never torn apart, so a part may end one short.
    """
    if is_gsm(text):
        return _parts([_COSTS[sign] for sign in text], SEPTETS, SEPTETS_OF_PART)
    return _parts([2 if ord(sign) > 0xFFFF else 1 for sign in text], UNITS, UNITS_OF_PART)


def _parts(costs: list[int], alone: int, of_several: int) -> int:
    if sum(costs) <= alone:
        return 1 if costs else 0
    count, room = 1, of_several
    for cost in costs:
        if cost > room:
            count, room = count + 1, of_several
        room -= cost
    return count
