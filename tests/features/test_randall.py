"""Randall is where libmelee has him, and where fighters of real replays stand on him."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from melee.stages import randall_position

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.melee.randall import PATH, ROUND_FRAMES, WIDTH, randall
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.game import STATE
from exphil_core.replays.slp import read_game

# Beyond the platforms there is nothing to stand on but Randall.
PLATFORM_END = max(platform.right for platform in BY_NAME["yoshisstory"].platforms) + 1


def test_he_is_where_libmelee_has_him() -> None:
    height, left, _ = np.array([randall_position(frame) for frame in range(ROUND_FRAMES)]).T
    ours, at = randall(np.arange(ROUND_FRAMES))
    off = np.hypot(left - ours, height - at)
    assert off[416:].max() < 0.002
    # libmelee's table jumps by two steps from frame 1199 to 0, and ours doesn't.
    assert np.allclose(left[:416] - ours[:416], 0.355, atol=0.003)
    assert np.allclose(height[:416], at[:416], atol=0.0011)


def test_he_moves_at_one_speed_and_ends_where_he_began() -> None:
    steps = np.hypot(*(np.roll(PATH, -1, axis=0) - PATH).T.astype(float))
    straight = np.isclose(steps, steps.max(), atol=1e-4)
    assert straight.mean() > 0.98
    assert steps.min() > 0.3


def test_frames_before_go_and_later_rounds_count_on() -> None:
    assert randall(-1)[0] == randall(1199)[0]
    assert randall(2405)[1] == randall(5)[1]
    assert randall(np.zeros((2, 3), np.int32))[0].shape == (2, 3)


def test_fighters_of_real_games_stand_on_him(real_replays: Path) -> None:
    standing = 0
    for path in sorted(real_replays.glob("*/*_YS_*.slp")):
        try:
            game = read_game(path)
        except ReplayError:
            continue
        left, height = (values[:, None] for values in randall(np.arange(len(game)) + FIRST_FRAME))
        x, y, airborne = (game.state_TPF[..., STATE[name]] for name in ("x", "y", "airborne"))
        on = (airborne == 0) & (np.abs(x) > PLATFORM_END)
        standing += int(on.sum())
        assert np.abs(y - height)[on].max(initial=0) < 0.001, path.name
        assert ((x - left)[on] > -0.01).all()
        assert ((x - left)[on] < WIDTH).all()
    assert standing > 150
