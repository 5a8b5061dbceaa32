"""The preset and the feature as users meet them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from exphil_char_gameandwatch import plugin

from exphil_core.cli.main import cli
from exphil_core.config.resolve import resolve
from exphil_core.testing import check_character_feature, check_plugin, check_preset, manager_with


def test_it_keeps_the_contract_of_plugins() -> None:
    check_plugin(plugin)


def test_the_preset_keeps_its_contract() -> None:
    check_preset("gameandwatch", manager=manager_with(plugin))


def test_the_feature_keeps_its_contract() -> None:
    check_character_feature("hammer", manager=manager_with(plugin), frames=30)


def test_the_preset_is_full_with_a_shorter_window_for_game_and_watch() -> None:
    run, full = (resolve(manager_with(plugin), preset=name) for name in ("gameandwatch", "full"))
    assert (run.config.character, run.config.features, run.config.window_size) == (
        "gameandwatch",
        ("hammer",),
        45,
    )
    assert (run.config.backbone, run.config.hidden_sizes) == (full.config.backbone, full.config.hidden_sizes)


def test_a_model_is_trained_with_it(tmp_path: Path) -> None:
    from exphil_core.sandbox import make_replays

    if "gameandwatch" not in manager_with().names("exphil_presets"):
        pytest.skip("exphil-char-gameandwatch is not installed")
    make_replays(tmp_path / "games", games=2, minutes=0.1, seed=3, characters=("gameandwatch", "fox"))
    arguments = ["train", "--preset", "gameandwatch", "--replays", str(tmp_path / "games")]
    arguments += ["--backbone", "mlp", "--hidden-sizes", "8", "--batch-size", "4", "--max-steps", "2"]
    arguments += ["--checkpoints", str(tmp_path / "models"), "--device", "cpu", "--epochs", "1"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "models").rglob("*.safetensors"))
