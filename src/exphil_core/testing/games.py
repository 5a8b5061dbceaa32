"""Features on whole games and presets in short runs: what unit tests of a plugin can't show. Needs no pytest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exphil_core.features.character import active_features, fighter_rows, game_features
from exphil_core.melee.characters import BY_NAME
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import Game
from exphil_core.testing.features import TOLERANCE
from exphil_core.testing.rows import cut_rows
from exphil_core.testing.subject import claim

# Frames of each game that are also fed one by one: enough for what has to be carried over.
SINGLE_FRAMES = 900


def check_feature_on_games(
    feature: str, games: Iterable[Game], *, manager: PluginManager | None = None, frames: int = SINGLE_FRAMES
) -> None:
    """Check a registered character feature on whole games: the core accepts every value on both sides, whoever it
    doesn't suit has zeros, and the first `frames` fed one at a time give the same as all at once."""
    (active,) = active_features(manager or load_plugins(), [feature])
    suits = [BY_NAME[name].internal for name in active.entry.spec.characters]
    for game in games:
        values = game_features(game, [active])
        where = f"character feature {feature} on {game.info.path.name}"
        for fighter in (0, 1):
            others = ~np.isin(game.character_TP[:, fighter], suits)
            claim(not values[others, fighter].any(), f"{where}: a character that it doesn't suit has values")
            if others.all():
                continue
            head = next(iter(cut_rows(fighter_rows(game, fighter), [min(frames, len(game) - 1)])))
            tracker = active.make()
            pieces = cut_rows(head, range(1, len(head.action)))
            single = np.concatenate([active.track(tracker, piece) for piece in pieces])
            same = np.abs(single - values[: len(single), fighter]) <= TOLERANCE
            claim(same.all(), f"{where}: frame by frame gives other values than the whole game at once")


def short_run(
    preset: str, folder: Path, *, characters: Sequence[str], manager: PluginManager, **flags: str
) -> Mapping[str, Any]:
    """Train `preset` for two steps on sandbox games of `characters` below `folder`; the model's config file."""
    import json

    from exphil_core.config.resolve import resolve
    from exphil_core.sandbox import make_replays
    from exphil_core.training.reporter import SilentReporter
    from exphil_core.training.run import TrainedModel, train

    make_replays(folder / "replays", games=2, minutes=0.1, seed=3, characters=characters)
    small: dict[str, Any] = {
        "replays": (str(folder / "replays"),), "checkpoints": str(folder / "checkpoints"), "backbone": "gru",
        "hidden_sizes": "8", "epochs": "1", "batch_size": "4", "max_steps": "2", "device": "cpu",
    }  # fmt: skip
    model = train(resolve(manager, preset=preset, flags={**small, **flags}), manager, SilentReporter())
    claim(isinstance(model, TrainedModel), f"preset {preset}: nothing was trained")
    assert isinstance(model, TrainedModel)
    written = json.loads((model.folder / f"{model.entry.id}_config.json").read_text(encoding="utf-8"))
    return {"character": model.entry.character, **written}
