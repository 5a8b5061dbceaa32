"""Rows of nobody's game, with everything in them that an observation can show."""

from __future__ import annotations

import numpy as np

from exphil_core.features.rows import Rows, SeenItems
from exphil_core.melee.stages import BY_NAME, STADIUM_FORMS, STAGES
from exphil_core.replays.controller import AXIS_CELLS, NEUTRAL
from exphil_core.replays.game import NO_ACTION, STATE
from exphil_core.replays.habits import HABIT_VALUES
from exphil_core.testing.rows import random_rows

FLIP = np.array([-1, 1, 1], np.float32)


def made_up_rows(seed: int, frames: int = 50, unknown: float = 0.1) -> Rows:
    """`frames` frames on all six stages in turns; some of the state is unknown, partners come and go."""
    rng = np.random.default_rng(seed)
    sides = [random_rows(seed + offset, frames, unknown=unknown) for offset in (0, 1000)]
    state = np.stack([side.state for side in sides], axis=1)
    # Where a fighter is, is always known.
    for name in ("x", "y"):
        state[..., STATE[name]] = np.nan_to_num(state[..., STATE[name]], nan=3.0)
    partner_state = np.stack([side.opponent_state for side in sides], axis=1)
    partner_action = np.stack([side.opponent_action for side in sides], axis=1)
    absent = (rng.random((frames, 2)) < 0.4) | np.isnan(partner_state[..., STATE["x"]])
    partner_state[absent], partner_action[absent] = np.nan, NO_ACTION
    decided = np.tile(NEUTRAL, (frames, 1))
    decided[:, 0] = rng.integers(0, 256, frames)
    decided[:, 1] = rng.integers(0, AXIS_CELLS, frames)
    decided[:, 3] = rng.integers(0, AXIS_CELLS, frames)
    platform = rng.uniform(0, 40, (frames, 2)).astype(np.float32)
    platform[rng.random(frames) < 0.3] = np.nan
    stage = np.array([stage.internal for stage in STAGES], np.uint8)[rng.integers(0, len(STAGES), frames)]
    form = rng.integers(0, len(STADIUM_FORMS), frames).astype(np.uint8)
    return Rows(
        frame=rng.integers(-123, 30_000, frames).astype(np.int32),
        stage=stage,
        state=state,
        action=np.stack([side.action for side in sides], axis=1),
        character=np.stack([side.character for side in sides], axis=1),
        decided=decided,
        habit=rng.integers(0, len(HABIT_VALUES), frames).astype(np.uint8),
        features=rng.normal(0, 1, (frames, 2, len(FLIP))).astype(np.float32),
        partner_state=partner_state,
        partner_action=partner_action,
        platform=platform,
        form=np.where(stage == BY_NAME["pokemonstadium"].internal, form, 0).astype(np.uint8),
        items=made_up_items(rng, frames),
    )


def made_up_items(rng: np.random.Generator, frames: int) -> SeenItems:
    """Up to seven items a frame."""
    counts = rng.integers(0, 8, frames)
    frame = np.repeat(np.arange(frames), counts)
    count = len(frame)
    x, y, vx, vy = rng.normal(0, 20, (4, count)).astype(np.float32)
    return SeenItems(
        frame=frame,
        owner=rng.integers(0, 2, count).astype(np.int8),
        type=rng.integers(0, 300, count).astype(np.int32),
        state=rng.integers(0, 256, count).astype(np.uint8),
        x=x,
        y=y,
        vx=vx,
        vy=vy,
        timer=np.where(rng.random(count) < 0.1, np.nan, rng.integers(0, 1400, count)).astype(np.float32),
        known=np.ones(frames, bool),
    )
