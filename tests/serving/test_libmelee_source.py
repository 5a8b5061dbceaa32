"""What libmelee reads of a game is what we read of it: no value differs, in whole real games."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import melee
import numpy as np
import pytest
from melee.console import SlippiVersionTooLow
from ubjson import DecoderException

from exphil_core.errors import ReplayError
from exphil_core.features.encoder import encode
from exphil_core.features.rows import game_rows
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS, Game
from exphil_core.replays.habits import NO_HABIT, habit_after
from exphil_core.replays.slp import read_game
from exphil_core.serving.libmelee_source import LibmeleeSource
from exphil_core.serving.live_batch import LiveBatch
from exphil_core.serving.live_frame import LiveFrame

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# The slow test's files in so many shares, and the frames that each holds at least (434,710 in all).
SHARES, LEAST_FRAMES = 4, 80_000
FAST = {
    "ics-falco_DL_3.12.0": 2500, "falco-ylink_PS_3.9.0": 2000, "sheik-mewtwo_BF_3.16.0": 1500,
    "fox-gnw_FD_3.19.1_7": 2519, "falco-falco_YS_3.15.0": 1500,
}  # fmt: skip


def live_frames(path: Path) -> Iterator[LiveFrame]:
    console = melee.Console(path=str(path), is_dolphin=False)
    assert console.connect()
    source = None
    while (state := console.step()) is not None:
        source = source or LibmeleeSource.of(console, state)
        if set(source.ports) <= set(state.players):
            yield source.frame(state)


def items_of(game: Game, frame: int) -> list[tuple[float, ...]]:
    items = game.items.cut(frame, frame + 1)
    columns = (
        items.type,
        items.state,
        items.owner,
        items.x,
        items.y,
        items.vx,
        items.vy,
        items.timer,
        items.spawn_id,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def differences(game: Game, frames: list[LiveFrame]) -> list[str]:
    """Every kind of value that is not the same in both, with the first frame of each."""
    count = len(frames)
    assert [frame.frame for frame in frames] == list(range(-123, count - 123))
    found = []

    def compare(what: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if not same.all():
            where = np.argwhere(~same)[0].tolist()
            found.append(
                f"{what}: {(~same).sum()} values, first at {where}: {ours[tuple(where)]}, {theirs[tuple(where)]}"
            )

    def stacked(name: str) -> np.ndarray:
        return np.stack([getattr(frame, name) for frame in frames]).astype(np.float64)

    state = stacked("state_PF")
    for index, name in enumerate(STATE_COLUMNS):
        compare(name, game.state_TPF[:count, :, index].astype(np.float64), state[..., index])
    compare("action", game.action_TP[:count].astype(np.float64), stacked("action_P"))
    compare("character", game.character_TP[:count].astype(np.float64), stacked("character_P"))
    compare("controller", game.controller_TPC[:count].astype(np.float64), stacked("controller_PC"))
    partner, doing = game.partner_state_TPF, game.partner_action_TP
    compare(
        "partner",
        np.full_like(state, np.nan) if partner is None else partner[:count].astype(np.float64),
        stacked("partner_state_PF"),
    )
    nobody = np.full((count, 2), float(NO_ACTION))
    compare(
        "partner action",
        nobody if doing is None else doing[:count].astype(np.float64),
        stacked("partner_action_P"),
    )
    forms = np.zeros(count) if game.form_T is None else game.form_T[:count].astype(np.float64)
    compare("form", forms, np.array([float(frame.form) for frame in frames]))
    heights = (
        np.full((count, 2), np.nan)
        if game.platform_TS is None
        else game.platform_TS[:count].astype(np.float64)
    )
    compare("platforms", heights, stacked("platform_S"))
    assert {frame.stage for frame in frames} == {game.info.stage.internal}
    for at, frame in enumerate(frames):
        theirs = (
            None
            if frame.items is None
            else [(i.type, i.state, i.owner, i.x, i.y, i.vx, i.vy, i.timer, i.spawn_id) for i in frame.items]
        )
        if theirs != (items_of(game, at) if game.items.known else None):
            found.append(f"items: first at {at}: {items_of(game, at)}, {theirs}")
            break
    return found


@pytest.mark.parametrize("name", FAST)
def test_nothing_differs_from_libmelees_reading(real_replays: Path, name: str) -> None:
    path = next(real_replays.glob(f"games/{name}*.slp"))
    frames = list(itertools.islice(live_frames(path), FAST[name]))
    assert len(frames) == FAST[name]
    assert differences(read_game(path, rollback="first"), frames) == []


@pytest.mark.all_only
# A quarter of the games takes libmelee over a minute: EXPHIL_THOROUGH=1 asks for all.
@pytest.mark.parametrize("share", range(SHARES) if os.environ.get("EXPHIL_THOROUGH") else [0])
def test_nothing_differs_in_any_whole_real_game(real_replays: Path, share: int) -> None:
    with (real_replays / "MANIFEST.csv").open() as file:
        paths = [real_replays / row["file"] for row in csv.DictReader(file)]
    compared, wrong = 0, {}
    for path in paths[share::SHARES]:
        try:
            game = read_game(path, rollback="first", any_player=True)
            frames = list(itertools.islice(live_frames(path), len(game)))
        except (ReplayError, DecoderException, SlippiVersionTooLow):
            continue
        assert len(frames) == len(game), path.name
        compared += len(frames)
        found = differences(game, frames)
        if found:
            wrong[path.name] = found
    assert not wrong
    assert compared > LEAST_FRAMES


def test_demo_games_too_with_fountain_and_partners(demo_folder: Path) -> None:
    for path in sorted(demo_folder.glob("*.slp"))[:3]:
        game = read_game(path)
        frames = list(itertools.islice(live_frames(path), 600))
        assert differences(game, frames) == []


@pytest.mark.parametrize("own", [0, 1])
def test_an_observation_in_play_is_the_one_that_a_model_was_trained_on(real_replays: Path, own: int) -> None:
    """All the way to the encoder, one frame at a time."""
    path = next(real_replays.glob("games/ics-falco_DL_*.slp"))
    game = read_game(path, rollback="first")
    trained = encode(game_rows(game, own))
    habit = np.full(1, NO_HABIT, np.uint8)
    for at, frame in enumerate(itertools.islice(live_frames(path), 700)):
        decided = game.controller_TPC[at : at + 1, own]
        habit = habit_after(habit, decided, np.array([frame.frame]))
        rows = LiveBatch.of([frame]).rows(np.array([own]), decided, habit, np.zeros((1, 2, 0), np.float32))
        seen = encode(rows)
        np.testing.assert_array_equal(seen.floats[0], trained.floats[at], err_msg=str(at))
        np.testing.assert_array_equal(seen.ids[0], trained.ids[at], err_msg=str(at))
