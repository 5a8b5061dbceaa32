"""What a model sees of the sandbox in play is what its replay says, to the bit, in whole games."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exphil_core.features.encoder import encode
from exphil_core.features.rows import game_rows
from exphil_core.melee.characters import BY_NAME
from exphil_core.melee.stages import STAGES
from exphil_core.replays.controller import CELL_COUNTS, valid
from exphil_core.replays.game import NO_ACTION, Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import Controller, GameState
from exphil_core.sandbox.make import plan_match, play
from exphil_core.serving.live_frame import LiveFrame, live_rows
from exphil_core.serving.sandbox_source import sandbox_frames, to_cells, to_pads

# Characters with items, partners and changes in the middle of a game.
CAST = ("iceclimbers", "zelda", "younglink", "mewtwo", "gameandwatch", "fox")


@pytest.fixture(scope="module", params=range(6), ids=[stage.name for stage in STAGES])
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Game, list[LiveFrame]]:
    """One game on each stage: read from its replay, and as it was seen in play."""
    number = request.param
    cast = [BY_NAME[CAST[number]], BY_NAME[CAST[(number + 2) % len(CAST)]]]
    match = plan_match(21, number, 0.6, cast, STAGES[number : number + 1])
    frames: list[LiveFrame] = []

    def watch(state: GameState, pads: tuple[Controller, ...]) -> None:
        frames.extend(sandbox_frames([state], [pads], [match.setup]))

    path = Path(tmp_path_factory.mktemp("played")) / match.file_name
    path.write_bytes(play(match, watch))
    return read_game(path), frames


def test_every_value_is_the_replays(played: tuple[Game, list[LiveFrame]]) -> None:
    game, frames = played
    count = len(game)
    assert [frame.frame for frame in frames] == list(range(-123, count - 123))
    for name, ours in {
        "state_PF": game.state_TPF,
        "action_P": game.action_TP,
        "character_P": game.character_TP,
        "controller_PC": game.controller_TPC,
        "partner_state_PF": game.partner_state_TPF,
        "partner_action_P": game.partner_action_TP,
        "platform_S": game.platform_TS,
        "form": game.form_T,
    }.items():
        seen = np.stack([getattr(frame, name) for frame in frames])
        if ours is None:
            nothing = (seen == NO_ACTION) if name == "partner_action_P" else np.isnan(seen) | (seen == 0)
            assert nothing.all(), name
        else:
            np.testing.assert_array_equal(seen, ours, err_msg=name)
    assert {frame.stage for frame in frames} == {game.info.stage.internal}


def test_items_are_the_replays(played: tuple[Game, list[LiveFrame]]) -> None:
    game, frames = played
    rows = game.items
    seen = [(at, item) for at, frame in enumerate(frames) for item in frame.items or ()]
    np.testing.assert_array_equal([at for at, _ in seen], rows.frame())
    for name in ("type", "state", "owner", "x", "y", "vx", "vy", "timer", "spawn_id"):
        np.testing.assert_array_equal(
            [getattr(item, name) for _, item in seen], getattr(rows, name), err_msg=name
        )


def test_the_games_together_show_items_partners_and_changes() -> None:
    """The cast above is not there in vain."""
    seen = set()
    for number in range(6):
        cast = [BY_NAME[CAST[number]], BY_NAME[CAST[(number + 2) % len(CAST)]]]
        match = plan_match(21, number, 0.6, cast, STAGES[number : number + 1])

        def watch(state: GameState, pads: object) -> None:
            seen.update(("item",) if state.items else ())
            seen.update(("partner",) if any(state.partners) else ())
            seen.update(f.character for f in state.fighters)

        play(match, watch)
    assert {"item", "partner", 7, 19} <= seen


@pytest.mark.parametrize("own", [0, 1])
def test_observations_are_those_that_training_makes(played: tuple[Game, list[LiveFrame]], own: int) -> None:
    """Many frames at once and one frame at a time, down to the encoder's last bit."""
    game, frames = played
    trained = encode(game_rows(game, own))
    decided = game.controller_TPC[:, own]
    together = encode(live_rows(frames, own, decided, np.zeros((len(frames), 2, 0), np.float32)))
    np.testing.assert_array_equal(together.floats.view(np.uint32), trained.floats.view(np.uint32))
    np.testing.assert_array_equal(together.ids, trained.ids)
    for at in range(0, len(frames), 7):
        alone = encode(live_rows([frames[at]], own, decided[at : at + 1], np.zeros((1, 2, 0), np.float32)))
        np.testing.assert_array_equal(alone.floats[0].view(np.uint32), trained.floats[at].view(np.uint32))
        np.testing.assert_array_equal(alone.ids[0], trained.ids[at])


def test_games_seen_side_by_side_are_the_same_games() -> None:
    match = plan_match(21, 0, 0.2, [BY_NAME["iceclimbers"], BY_NAME["zelda"]], STAGES)
    recorded: list[tuple[GameState, tuple[Controller, ...]]] = []
    play(match, lambda state, pads: recorded.append((state, tuple(pads))))
    states, pads = (list(each) for each in zip(*recorded, strict=True))
    together = sandbox_frames(states, pads, [match.setup] * len(states))
    for at, frame in enumerate(together):
        (alone,) = sandbox_frames(states[at : at + 1], pads[at : at + 1], [match.setup])
        np.testing.assert_array_equal(alone.state_PF, frame.state_PF)
        np.testing.assert_array_equal(alone.partner_state_PF, frame.partner_state_PF)
        assert (alone.items, alone.frame) == (frame.items, frame.frame)


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
