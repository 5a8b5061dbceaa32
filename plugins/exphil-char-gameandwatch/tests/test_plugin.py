"""The preset and the feature as users meet them: listed, resolved, conforming, trained with."""

from __future__ import annotations

from pathlib import Path

from exphil_char_gameandwatch import plugin

from exphil_core.config.resolve import resolve
from exphil_core.testing import check_character_feature, check_plugin, check_preset, manager_with, short_run


def test_it_keeps_the_contract_of_plugins() -> None:
    check_plugin(plugin)


def test_the_preset_keeps_its_contract() -> None:
    check_preset("gameandwatch", manager=manager_with(plugin))


def test_the_feature_keeps_its_contract() -> None:
    check_character_feature("hammer", manager=manager_with(plugin), frames=60)


def test_the_preset_is_full_for_gameandwatch() -> None:
    run, full = (resolve(manager_with(plugin), preset=name) for name in ("gameandwatch", "full"))
    assert (run.config.character, run.config.window_size) == ("gameandwatch", 45)
    assert run.config.features == ("hammer",)
    assert (run.config.backbone, run.config.hidden_sizes) == (full.config.backbone, full.config.hidden_sizes)
    assert run.origins["features"] == "preset gameandwatch (exphil-char-gameandwatch)"


def test_a_model_is_trained_with_every_column(tmp_path: Path) -> None:
    written = short_run(
        "gameandwatch", tmp_path, characters=("gameandwatch", "fox"), manager=manager_with(plugin)
    )
    assert written["character"] == "gameandwatch"
    names = {column["name"] for column in written["observation"]["columns"]}
    for spec in plugin.exphil_character_features():
        stem = spec.name.replace("-", "_")
        for who in ("own", "opponent"):
            assert {f"{who}_{stem}_{column.name}" for column in spec.columns} <= names
