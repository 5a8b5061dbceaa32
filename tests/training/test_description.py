"""What a policy file says of itself, so that others can play it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from exphil_core.checkpoints.config_file import read_document
from exphil_core.checkpoints.store import read_description
from exphil_core.replays.game import Game
from exphil_core.training.run import TrainedModel

Run = Callable[..., TrainedModel]


def test_a_policy_says_which_characters_it_learned_and_which_plugins_it_needs(
    small_run: Run, demo_games: list[Game]
) -> None:
    model = small_run(features="teleport")
    description = read_description(model.folder / model.entry.policy_path)
    held_out = read_document(model.folder, model.entry.config_path)["results"]["validation_games"]
    learned = Counter(
        player.character.name
        for game in demo_games
        if game.info.game_hash not in held_out
        for player in game.info.players
    )
    assert sorted(description["characters"]) == sorted(learned)
    assert description["characters"][0] in [name for name, n in learned.items() if n == max(learned.values())]
    made = description["plugins"]
    assert made["exphil_backbones"]["gru"]["distribution"] == "exphil-core"
    assert made["exphil_character_features"]["teleport"]["distribution"] == "exphil-char-mewtwo"


def test_of_one_character_it_names_that_one(small_run: Run, demo_games: list[Game]) -> None:
    name = Counter(p.character.name for game in demo_games for p in game.info.players).most_common(1)[0][0]
    model = small_run(character=name)
    description = read_description(model.folder / model.entry.policy_path)
    assert description["characters"] == [name] == [description["character"]]
