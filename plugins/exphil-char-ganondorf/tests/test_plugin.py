"""The preset and the feature as users meet them: listed, resolved, conforming, trained with."""

from __future__ import annotations

import json
from pathlib import Path

from exphil_char_ganondorf import plugin
from exphil_char_ganondorf.plugin import COLUMNS

from exphil_core.config.resolve import resolve
from exphil_core.sandbox import make_replays
from exphil_core.testing import check_character_feature, check_plugin, check_preset, manager_with
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import train


def test_the_plugin_conforms() -> None:
    check_plugin(plugin)


def test_the_preset_conforms() -> None:
    check_preset("ganondorf", manager_with(plugin))


def test_the_feature_conforms() -> None:
    check_character_feature("spacing", manager=manager_with(plugin), frames=100)


def test_the_preset_is_full_with_the_feature() -> None:
    run = resolve(manager_with(plugin), preset="ganondorf")
    full = resolve(manager_with(plugin), preset="full")
    assert (run.config.character, run.config.features, run.config.window_size) == (
        "ganondorf",
        ("spacing",),
        60,
    )
    assert run.config.hidden_sizes == full.config.hidden_sizes
    assert run.config.backbone == full.config.backbone
    assert run.origins["features"] == "preset ganondorf (exphil-char-ganondorf)"
    assert run.origins["epochs"] == "preset full (exphil-core)"


def test_a_short_run_trains_with_the_feature(tmp_path: Path) -> None:
    folder = tmp_path / "replays"
    folder.mkdir()
    make_replays(folder, games=2, minutes=0.1, seed=3, characters=("ganondorf", "fox"))
    flags = {
        "replays": (str(folder),),
        "checkpoints": str(tmp_path / "checkpoints"),
        "backbone": "gru",
        "hidden_sizes": "8",
        "epochs": "1",
        "batch_size": "4",
        "max_steps": "2",
        "device": "cpu",
    }
    manager = manager_with(plugin)
    model = train(resolve(manager, preset="ganondorf", flags=flags), manager, SilentReporter())
    assert model is not None
    assert model.entry.character == "ganondorf"
    written = json.loads((model.folder / f"{model.entry.id}_config.json").read_text())
    names = [column["name"] for column in written["observation"]["columns"]]
    for who in ("own", "opponent"):
        assert {f"{who}_spacing_{column.name}" for column in COLUMNS} <= set(names)
