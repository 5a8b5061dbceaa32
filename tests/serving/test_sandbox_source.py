"""What a model sees of the sandbox in play is what its replay says, to the bit, in whole games."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from exphil_core.features.encoder import Observation, encode
from exphil_core.features.rows import game_rows
from exphil_core.melee.characters import BY_NAME
from exphil_core.melee.stages import STAGES
from exphil_core.replays.controller import CELL_COUNTS, valid
from exphil_core.replays.game import NO_ACTION, Game
from exphil_core.replays.habits import habits
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import Controller, GameState, Setup
from exphil_core.sandbox.make import plan_match, play
from exphil_core.serving.live_batch import LiveBatch
from exphil_core.serving.sandbox_source import sandbox_batch, to_cells, to_pads

# Characters with items, partners and changes in the middle of a game.
CAST = ("iceclimbers", "zelda", "younglink", "mewtwo", "gameandwatch", "fox")


Record = tuple[list[GameState], list[tuple[Controller, ...]], Setup]


def record(number: int) -> tuple[bytes, Record]:
    """A game on each stage: its replay, and each frame as it was in play."""
    cast = [BY_NAME[CAST[number]], BY_NAME[CAST[(number + 2) % len(CAST)]]]
    match = plan_match(21, number, 0.6, cast, STAGES[number : number + 1])
    states: list[GameState] = []
    pads: list[tuple[Controller, ...]] = []

    def watch(state: GameState, both: Sequence[Controller]) -> None:
        states.append(state)
        pads.append(tuple(both))

    return play(match, watch), (states, pads, match.setup)


@pytest.fixture(scope="module", params=range(6), ids=[stage.name for stage in STAGES])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Game, Record]:
    replay, recorded = record(request.param)
    path = Path(tmp_path_factory.mktemp("played")) / "game.slp"
    path.write_bytes(replay)
    return read_game(path), recorded


def batch_of(recorded: Record, start: int = 0, stop: int | None = None) -> LiveBatch:
    """Frames of one game, as if each were another game's."""
    states, pads, setup = recorded
    return sandbox_batch(states[start:stop], pads[start:stop], [setup] * len(states[start:stop]))


def test_every_value_is_the_replays(played: tuple[Game, Record]) -> None:
    game, recorded = played
    batch = batch_of(recorded)
    np.testing.assert_array_equal(batch.frame, np.arange(-123, len(game) - 123))
    for name, ours in {
        "state": game.state_TPF,
        "action": game.action_TP,
        "character": game.character_TP,
        "controller": game.controller_TPC,
        "partner_state": game.partner_state_TPF,
        "partner_action": game.partner_action_TP,
        "platform": game.platform_TS,
        "form": game.form_T,
    }.items():
        seen = getattr(batch, name)
        if ours is None:
            nothing = (seen == NO_ACTION) if name == "partner_action" else np.isnan(seen) | (seen == 0)
            assert nothing.all(), name
        else:
            np.testing.assert_array_equal(seen, ours, err_msg=name)
            assert seen.dtype == ours.dtype, name
    assert set(batch.stage) == {game.info.stage.internal}


def test_items_are_the_replays(played: tuple[Game, Record]) -> None:
    game, recorded = played
    items = batch_of(recorded).items
    np.testing.assert_array_equal(items.game, game.items.frame())
    for name in ("type", "state", "owner", "x", "y", "vx", "vy", "timer", "spawn_id"):
        np.testing.assert_array_equal(getattr(items, name), getattr(game.items, name), err_msg=name)
    assert items.known.all()


def test_the_games_together_show_items_partners_and_changes() -> None:
    """The cast above is not there in vain."""
    seen: set[object] = set()
    for number in range(6):
        for state in record(number)[1][0]:
            seen.update(("item",) if state.items else ())
            seen.update(("partner",) if any(state.partners) else ())
            seen.update(f.character for f in state.fighters)
    assert {"item", "partner", 7, 19} <= seen


@pytest.mark.parametrize("own", [0, 1])
def test_observations_are_those_that_training_makes(played: tuple[Game, Record], own: int) -> None:
    """Many frames at once and one frame at a time, down to the encoder's last bit."""
    game, recorded = played
    trained, habit = encode(game_rows(game, own)), habits(game.controller_TPC[:, own])

    def seen(start: int, stop: int) -> Observation:
        count = stop - start
        decided = game.controller_TPC[start:stop, own]
        nothing = np.zeros((count, 2, 0), np.float32)
        batch = batch_of(recorded, start, stop)
        return encode(batch.rows(np.full(count, own), decided, habit[start:stop], nothing))

    together = seen(0, len(game))
    np.testing.assert_array_equal(together.floats.view(np.uint32), trained.floats.view(np.uint32))
    np.testing.assert_array_equal(together.ids, trained.ids)
    for at in range(0, len(game), 7):
        alone = seen(at, at + 1)
        np.testing.assert_array_equal(alone.floats[0].view(np.uint32), trained.floats[at].view(np.uint32))
        np.testing.assert_array_equal(alone.ids[0], trained.ids[at])


def test_a_decided_controller_stands_in_the_replay_as_it_was_decided() -> None:
    """Cells to the sandbox and back, for any cells that a game can produce."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, CELL_COUNTS, (20_000, 6)).astype(np.uint8)
    cells = cells[valid(cells)]
    chords = cells[:, 0].astype(int)
    z, shoulder_button = chords >> 4 & 1, chords >> 5 & 3
    level_of_z = to_cells([Controller(buttons=0x10)])[0, 5]
    pressed_through = to_cells([Controller(buttons=0x40)])[0, 5]
    cells[:, 5] = np.where(z == 1, np.maximum(cells[:, 5], level_of_z), cells[:, 5])
    cells[:, 5] = np.where(shoulder_button > 0, pressed_through, cells[:, 5])
    assert len(cells) > 5000
    np.testing.assert_array_equal(to_cells(to_pads(cells)), cells)


def test_what_a_game_cannot_produce_becomes_what_it_makes_of_it() -> None:
    neutral = to_cells([Controller()])[0]
    z_alone = neutral.copy()
    z_alone[0] = 1 << 4
    (back,) = to_cells(to_pads(z_alone[None]))
    assert back[0] == z_alone[0]
    assert back[5] > 0  # Z presses the shoulder
