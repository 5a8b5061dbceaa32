"""What a new plugin may be called, and what follows from it."""

from __future__ import annotations

import pytest

from exphil_core.errors import UsageError
from exphil_core.scaffold import plugin_names


@pytest.mark.parametrize(
    ("text", "package", "name", "character"),
    [
        ("exphil-char-falco", "exphil_char_falco", "falco", "falco"),
        ("Exphil_Char.Falco", "exphil_char_falco", "falco", "falco"),
        ("exphil-char-gnw", "exphil_char_gnw", "gnw", "gameandwatch"),
        (
            "exphil-char-mr-game-and-watch",
            "exphil_char_mr_game_and_watch",
            "mr-game-and-watch",
            "gameandwatch",
        ),
        ("exphil-char-falco-lasers", "exphil_char_falco_lasers", "falco-lasers", "falco"),
        ("exphil-marth", "exphil_marth", "marth", "marth"),
        ("exphil-prune-oldest", "exphil_prune_oldest", "oldest", None),
        ("exphil-naming-dated", "exphil_naming_dated", "dated", None),
        ("exphil-backbone-leaky", "exphil_backbone_leaky", "leaky", None),
        ("exphil-log-diary", "exphil_log_diary", "diary", None),
        ("exphil-export-card", "exphil_export_card", "card", None),
        ("exphil-prune", "exphil_prune", "prune", None),
        ("tournament-tools", "tournament_tools", "tournament-tools", None),
    ],
)
def test_names_follow_from_the_distributions(
    text: str, package: str, name: str, character: str | None
) -> None:
    names = plugin_names(text)
    assert (names.package, names.name) == (package, name)
    assert (names.character.name if names.character else None) == character


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("exphil char", "can't name a distribution"),
        ("-exphil", "can't name a distribution"),
        ("plugins/exphil-char-falco", "say where to write it with --dir"),
        ("", "can't name a distribution"),
        ("exphil-é", "can't name a distribution"),
        ("exphil-core", "that is ExPhil itself"),
        ("Exphil_Core", "that is ExPhil itself"),
        ("2fast", "start with exphil-"),
        ("class", "start with exphil-"),
        ("json", 'there is a package "json" already'),
        ("numpy", 'there is a package "numpy" already'),
        ("x" * 51, "longer than 50"),
        ("exphil-char-flaco", 'unknown character "flaco" .did you mean "falco"'),
        ("exphil-char-", "can't name a distribution"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        plugin_names(text)
