"""Words for people."""

from __future__ import annotations

import pytest

from exphil_core.wording import counted, one_line


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 games"), (1, "1 game"), (2, "2 games"), (1234, "1,234 games")]
)
def test_one_is_no_many(number: int, said: str) -> None:
    assert counted(number, "game") == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u2028\u202e", r"\u2028\u202e"),
        ("\udcff", r"\udcff"),
        ("ピカチュウ\u3000é 🦊.slp", "ピカチュウ\u3000é 🦊.slp"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_a_text_stands_in_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown
