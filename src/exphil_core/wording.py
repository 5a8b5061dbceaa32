"""Words for people: what may stand in one line, and one thing or many."""

from __future__ import annotations

import re

# Control characters, what else breaks or turns lines, and bytes that are no UTF-8.
_NOT_FOR_SCREENS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    r"""`text` as it can stand in a line: a newline becomes `\n`, and so on."""
    return _NOT_FOR_SCREENS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def counted(number: int, noun: str) -> str:
    """`1 game`, `1,234 games`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
