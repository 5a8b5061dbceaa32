"""The suites for whole games: they pass what is right and name what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from exphil_core import CharacterFeatureSpec, FeatureColumn, hookimpl
from exphil_core.features.character import FighterRows
from exphil_core.replays.game import Game
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

Games = Callable[..., list[Game]]


class Airborne:
    """Right: depends on the frame alone, for Fox alone."""

    def update(self, rows: FighterRows) -> np.ndarray:
        return ((rows.character == 1) & (rows.column("airborne") > 0)).astype(np.float32)[:, None]


class Everybody(Airborne):
    """Wrong: tells of characters that it doesn't suit."""

    def update(self, rows: FighterRows) -> np.ndarray:
        return (rows.column("airborne") > 0).astype(np.float32)[:, None]


class Forgetful(Airborne):
    """Wrong: the first frame of each call is forgotten."""

    def update(self, rows: FighterRows) -> np.ndarray:
        values = super().update(rows)
        values[0] = 0
        return values


def plugin_of(name: str) -> object:
    class Plugin:
        exphil_contract = 1

        @hookimpl
        def exphil_character_features(self) -> list[CharacterFeatureSpec]:
            column = FeatureColumn(name="airborne", low=0, high=1, help="1 in the air.")
            return [
                CharacterFeatureSpec(
                    name="airborne",
                    characters=("fox",),
                    factory=f"{__name__}:{name}",
                    columns=(column,),
                    summary="-",
                )
            ]

    return Plugin()


def test_a_right_feature_passes(exphil_sandbox: Games) -> None:
    check_feature_on_games(
        "airborne", exphil_sandbox("fox", "marth"), manager=manager_with(plugin_of("Airborne")), frames=400
    )


@pytest.mark.parametrize(("name", "words"), [("Everybody", "doesn't suit"), ("Forgetful", "frame by frame")])
def test_a_wrong_one_is_named(name: str, words: str, exphil_sandbox: Games) -> None:
    with pytest.raises(AssertionError, match=words):
        check_feature_on_games(
            "airborne", exphil_sandbox("fox", "marth"), manager=manager_with(plugin_of(name)), frames=400
        )
