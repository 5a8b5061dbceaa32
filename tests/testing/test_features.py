"""`check_character_feature`: every registered feature passes; each way to break the contract is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exphil_core import CharacterFeatureSpec, FeatureColumn
from exphil_core.features.augment import mirror_rows
from exphil_core.features.character import FighterRows
from exphil_core.features.rows import Rows
from exphil_core.melee.characters import BY_NAME
from exphil_core.plugin_manager import load_plugins
from exphil_core.replays.game import STATE, STATE_COLUMNS
from exphil_core.testing import check_character_feature, cut_rows, make_rows, mirror_fighter, random_rows

pytest_plugins = ["exphil_core.testing.fixtures"]


@pytest.mark.parametrize("name", load_plugins().names("exphil_character_features"))
def test_every_registered_feature_passes(name: str, exphil_game_rows: list[FighterRows]) -> None:
    suits = load_plugins().get("exphil_character_features", name).spec.characters
    internal = [BY_NAME[character].internal for character in suits]
    rows = [rows for rows in exphil_game_rows if rows.character[0] in internal]
    check_character_feature(name, rows=rows[:2], frames=120)


class Good:
    """Columns `clock` (frames in the current action) and `side` (which half of the stage, mirrored)."""

    def __init__(self) -> None:
        self.action, self.age = -1, 0

    def update(self, rows: FighterRows) -> Any:
        values = np.zeros((len(rows.action), 2), np.float32)
        for frame, action in enumerate(rows.action):
            self.age = self.age + 1 if action == self.action else 0
            self.action = int(action)
            values[frame, 0] = min(self.age / 60, 1)
        values[:, 1] = np.nan_to_num(np.sign(rows.column("x")))
        return values


class ForgetsAtChunks(Good):
    """Starts anew with each call."""

    def update(self, rows: FighterRows) -> Any:
        self.__init__()  # type: ignore[misc]
        return super().update(rows)


class LooksAhead(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = np.roll(values[:, 0], -1)
        return values


class Normalises(Good):
    """By the mean of what it happens to be given."""

    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = np.clip(values[:, 0] - values[:, 0].mean(), 0, 1)
        return values


class GivesNan(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 1] = np.sign(rows.column("x"))
        return values


class OutOfRange(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 1] *= 1.5
        return values


class OneColumnShort(Good):
    def update(self, rows: FighterRows) -> Any:
        return super().update(rows)[:, :1]


class NotMirrored(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 1] = np.abs(values[:, 1])
        return values


class SeesTheMirror(Good):
    """A column that isn't marked depends on left and right."""

    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = rows.column("x") > 0
        return values


class TellsTheDeaths(Good):
    """Which blast zone one died at is a matter of left and right too."""

    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = rows.action == 1
        return values


class SharesState(Good):
    """What it remembers belongs to the class; a new tracker starts it anew."""

    shared: dict[str, int] = {}

    def __init__(self) -> None:
        self.shared.update(action=-1, age=0)

    def update(self, rows: FighterRows) -> Any:
        values = np.zeros((len(rows.action), 2), np.float32)
        for frame, action in enumerate(rows.action):
            same = action == self.shared["action"]
            self.shared.update(action=int(action), age=self.shared["age"] + 1 if same else 0)
            values[frame, 0] = min(self.shared["age"] / 60, 1)
        return values


class OneForAll(Good):
    """Its factory gives the same tracker to everybody."""

    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = 0
        return values


THE_ONE = OneForAll()


def the_one() -> OneForAll:
    return THE_ONE


class Random(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        values[:, 0] = np.random.default_rng().random(len(values))
        return values


class ChangesTheRows(Good):
    def update(self, rows: FighterRows) -> Any:
        values = super().update(rows)
        np.nan_to_num(rows.state, copy=False)
        return values


class SameArrayAgain(Good):
    """Gives its one buffer away, then writes over it."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = np.zeros((10_000, 2), np.float32)

    def update(self, rows: FighterRows) -> Any:
        values = self.buffer[: len(rows.action)]
        values[:] = super().update(rows)
        return values


class Raises(Good):
    def update(self, rows: FighterRows) -> Any:
        raise KeyError("no such thing")


COLUMNS = (
    FeatureColumn(name="clock", low=0.0, high=1.0),
    FeatureColumn(name="side", mirrored=True),
)


def spec_of(thing: Any, **changes: Any) -> CharacterFeatureSpec:
    fields: dict[str, Any] = {"characters": ("fox", "zelda"), "columns": COLUMNS}
    return CharacterFeatureSpec(name="tried", factory=f"{__name__}:{thing.__name__}", **{**fields, **changes})


def test_a_good_one_passes(exphil_rows: FighterRows) -> None:
    check_character_feature(spec_of(Good), rows=[exphil_rows])


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (ForgetsAtChunks, "one frame at a time gives other values.*column clock of frame 1 is 0"),
        (LooksAhead, "one frame at a time gives other values"),
        (Normalises, "one frame at a time gives other values"),
        (GivesNan, "gave nan for side, outside -1 to 1"),
        (OutOfRange, "gave -?1.5 for side, outside -1 to 1"),
        (OneColumnShort, r"gave an array of \(80, 1\), not \(80, 2\)"),
        (NotMirrored, "in a mirror.*column side"),
        (SeesTheMirror, "in a mirror.*column clock"),
        (TellsTheDeaths, "in a mirror.*column clock"),
        (SharesState, "two trackers fed in turns disturb each other"),
        (the_one, "the same tracker twice"),
        (Random, "a second tracker gives other values"),
        (ChangesTheRows, "changes the state of the rows"),
        (SameArrayAgain, "one frame at a time gives other values"),
        (Raises, "feature tried failed .KeyError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(thing: Any, sentence: str) -> None:
    rows = [make_rows([14, 14, 1, 1, 1, 2] * 5, x=3.0), random_rows(0, unknown=0.1)]
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_character_feature(spec_of(thing), rows=rows, frames=80)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"characters": ("foxx",)}, "suits foxx, which is no character"),
        ({"characters": ("falcon",)}, "suits falcon: write captainfalcon"),
        ({"characters": ()}, "suits no character"),
        ({"columns": ()}, "has no columns"),
        ({"columns": (COLUMNS[0], COLUMNS[0])}, "two columns of one name"),
        ({"columns": (FeatureColumn(name="a", low=1, high=1), COLUMNS[1])}, "column a has no range"),
        ({"columns": (FeatureColumn(name="a", low=0, mirrored=True), COLUMNS[1])}, "must be symmetric"),
    ],
)
def test_the_spec_is_checked_first(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_character_feature(spec_of(Good, **changes))


def test_rows_by_hand_say_what_they_are_given_and_nothing_else() -> None:
    rows = make_rows([14, 24], character="Captain Falcon", x=[1, 2], facing=-1, opponent={"y": 5})
    assert rows.column("x").tolist() == [1, 2]
    assert rows.column("facing").tolist() == [-1, -1]
    assert np.isnan(rows.column("y")).all()
    assert rows.opponent_state[:, STATE["y"]].tolist() == [5, 5]
    assert rows.character.tolist() == [BY_NAME["captainfalcon"].internal] * 2
    assert (rows.stage.name, rows.action.dtype) == ("battlefield", np.int16)


def test_rows_by_hand_name_what_they_do_not_know() -> None:
    for arguments, sentence in (
        ({"xx": 1}, "state column"),
        ({"character": "foxy"}, 'did you mean "fox"'),
        ({"stage": "battlefeld"}, 'did you mean "battlefield"'),
    ):
        with pytest.raises(Exception, match=sentence):
            make_rows([14], **arguments)  # type: ignore[arg-type]


def test_the_mirror_is_the_encoders(exphil_game_rows: list[FighterRows]) -> None:
    for rows in [*exphil_game_rows, random_rows(3, unknown=0.2)]:
        seen = mirror_fighter(rows)
        there = mirror_rows(
            Rows(
                state=np.stack([rows.state, rows.opponent_state], axis=1),
                action=np.stack([rows.action, rows.opponent_action], axis=1),
                character=np.zeros((len(rows.action), 2), np.uint8),
                stage=np.zeros(len(rows.action), np.uint8),
                decided=np.zeros((len(rows.action), 6), np.int64),
                habit=np.zeros(len(rows.action), np.uint8),
                features=np.zeros((len(rows.action), 2, 0), np.float32),
                frame=np.arange(len(rows.action), dtype=np.int32),
            ),
            np.zeros(0, np.float32),
        )
        np.testing.assert_array_equal(seen.state, there.state[:, 0])
        np.testing.assert_array_equal(seen.opponent_state, there.state[:, 1])
        np.testing.assert_array_equal(seen.action, there.action[:, 0])
        np.testing.assert_array_equal(seen.opponent_action, there.action[:, 1])
        np.testing.assert_array_equal(mirror_fighter(seen).state, rows.state)


def test_pieces_make_the_whole(exphil_rows: FighterRows) -> None:
    pieces = list(cut_rows(exphil_rows, [1, 7, 100]))
    assert [len(piece.action) for piece in pieces] == [1, 6, 93, 200]
    np.testing.assert_array_equal(np.concatenate([p.state for p in pieces]), exphil_rows.state)


def test_random_rows_are_the_same_each_time_and_know_what_they_should() -> None:
    once, again = random_rows(4, unknown=0.3), random_rows(4, unknown=0.3)
    np.testing.assert_array_equal(once.state, again.state)
    assert np.isnan(once.state).any()
    assert np.isnan(random_rows(4, unknown=1).state).all()
    assert not np.isnan(random_rows(4).state).any()
    assert once.state.shape == (300, len(STATE_COLUMNS))
    turned = random_rows(0, characters=("zelda", "sheik")).character
    assert set(turned.tolist()) == {BY_NAME["zelda"].internal, BY_NAME["sheik"].internal}
