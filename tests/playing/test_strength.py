"""What a model of `make demo`'s size learns is worth something in a game: it beats both of the baselines that its
loss is compared with, now as players."""

from __future__ import annotations

from pathlib import Path

import pytest

from exphil_core.config.resolve import resolve
from exphil_core.melee.stages import STAGES
from exphil_core.playing.games import Games
from exphil_core.playing.matches import plan_matches
from exphil_core.playing.outcome import summary
from exphil_core.playing.players import RANDOM, REPEAT, Casting
from exphil_core.plugin_manager import PluginManager
from exphil_core.sandbox import make_replays
from exphil_core.sandbox.make import DEFAULT_CHARACTERS, find_characters
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, train

# Measured: 1.8 stocks ahead of random, 1.4 to 2.3; see docs/playing.md.
GAMES, MINUTES, TEMPERATURE = 24, 1.0, 0.3


@pytest.mark.all_only  # a minute and a half of training and play
def test_a_model_trained_on_demo_games_beats_chance(manager: PluginManager, tmp_path: Path) -> None:
    make_replays(tmp_path / "replays", games=24, minutes=2.0, seed=0)
    flags = {
        "replays": (str(tmp_path / "replays"),),
        "checkpoints": str(tmp_path / "checkpoints"),
        "epochs": "2",
        "device": "cpu",
    }
    trained = train(resolve(manager, flags=flags), manager, SilentReporter())
    assert isinstance(trained, TrainedModel)
    cast = find_characters(DEFAULT_CHARACTERS)
    matches = plan_matches(seed=1, games=GAMES, minutes=MINUTES, own=cast, others=cast, stages=STAGES)
    casting = Casting(
        checkpoints=tmp_path / "checkpoints",
        manager=manager,
        games=GAMES,
        temperature=TEMPERATURE,
        seed=1,
    )
    for opponent in (RANDOM, REPEAT):
        model, chance = casting.pair(trained.entry.id, opponent)
        games = Games(matches, model, chance, batch=GAMES)
        together = summary([result for result in games if result is not None])
        assert together.stocks_ahead.low > 0, (opponent, together)
        assert together.won > together.lost, (opponent, together)
