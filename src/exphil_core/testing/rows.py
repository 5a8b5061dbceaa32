"""Frames of a fighter made up for tests: by hand, at random, seen in a mirror, cut into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import unknown_name
from exphil_core.features.augment import mirror_actions
from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME, CHARACTERS, UNKNOWN_INTERNAL, find_character
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.melee.stages import Stage
from exphil_core.replays.game import MIRRORED, STATE, STATE_COLUMNS
from exphil_core.replays.items import ItemRows

Values = Sequence[float] | float | npt.NDArray[Any]

STANDING = 14
# Common actions end at 340, those of single characters lie above: half of the random ones are such.
FIRST_SPECIAL, LAST_SPECIAL = 341, 400
LONGEST_ACTION = 40
# Internal ids of the characters that can be chosen.
PLAYED = tuple(sorted(character.internal for character in CHARACTERS))
# Projectiles and bombs that characters own (both Links', Mewtwo's Shadow Ball), and one that is nobody's special.
ITEM_TYPES = (0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x40, 0x41, 0x70, 0x36)

# What random state lies between. Positions go beyond every blast zone; whole numbers are drawn as such.
_RANGES: dict[str, tuple[float, float]] = {
    "percent": (0, 300),
    "shield": (0, 60),
    "action_frame": (-1, 120),
    "speed_air_x": (-6, 6),
    "speed_y": (-6, 6),
    "knock_x": (-8, 8),
    "knock_y": (-8, 8),
    "speed_ground_x": (-3, 3),
}
_WHOLE: dict[str, int] = {
    "hitlag": 20,
    "hitstun": 120,
    "stocks": 4,
    "airborne": 1,
    "jumps": 6,
    "invulnerable": 1,
}
_FLIP = np.array([-1 if name in MIRRORED else 1 for name in STATE_COLUMNS], np.float32)


def make_rows(
    action: Sequence[int],
    *,
    character: str = "fox",
    stage: str = "battlefield",
    opponent_character: str | None = None,
    opponent_action: Sequence[int] | None = None,
    opponent: Mapping[str, Values] | None = None,
    **columns: Values,
) -> FighterRows:
    """Rows of one fighter, a frame for each of `action`; `columns` are state columns, a value or one a frame.

    What isn't given is unknown (NaN), as in an old replay: ``make_rows([14, 14, 24], x=[0, 1, 2], facing=1)``.
    """
    count = len(action)
    return FighterRows(
        state=_state(count, columns),
        action=np.array(action, np.int16),
        character=np.full(count, _internal(character), np.uint8),
        opponent_state=_state(count, opponent or {}),
        opponent_action=np.array(
            [STANDING] * count if opponent_action is None else opponent_action, np.int16
        ),
        opponent_character=np.full(
            count, _internal(opponent_character) if opponent_character else UNKNOWN_INTERNAL, np.uint8
        ),
        stage=_stage(stage),
    )


def random_rows(
    seed: int,
    frames: int = 300,
    *,
    characters: Sequence[str] = ("fox",),
    stage: str = "battlefield",
    unknown: float = 0.0,
    item_types: Sequence[int] = ITEM_TYPES,
) -> FighterRows:
    """Rows of nobody's game: positions wander, actions last a while, the fighter turns from one of `characters`
    into the next as Zelda does. A share `unknown` of the state is NaN, in whole columns and here and there.
    Items of `item_types` appear, fly and vanish for both fighters."""
    rng = np.random.default_rng(seed)
    turns = np.arange(frames) * len(characters) // max(frames, 1)
    return FighterRows(
        state=_random_state(rng, frames, unknown),
        action=_random_actions(rng, frames),
        character=np.array([_internal(name) for name in characters], np.uint8)[turns],
        opponent_state=_random_state(rng, frames, unknown),
        opponent_action=_random_actions(rng, frames),
        opponent_character=rng.choice(PLAYED, 1).repeat(frames).astype(np.uint8),
        stage=_stage(stage),
        items=random_items(rng, frames, item_types),
    )


def random_items(rng: np.random.Generator, frames: int, types: Sequence[int]) -> ItemRows:
    """A handful of items, each there for a while, moving at its own pace."""
    lives = [(int(start), int(start + rng.integers(1, 80))) for start in rng.integers(0, max(frames, 1), 8)]
    rows = sorted((t, life) for life, (a, b) in enumerate(lives) for t in range(a, min(b, frames)))
    frame, life = np.array(rows, np.int64).reshape(-1, 2).T
    start = np.array([a for a, _ in lives])
    pace = rng.normal(0, 2, (4, len(lives))).astype(np.float32)
    age = (frame - start[life]).astype(np.float32)
    return ItemRows(
        offset=np.searchsorted(frame, np.arange(frames + 1)).astype(np.int64),
        type=rng.choice(types, len(lives))[life].astype(np.int32),
        state=np.zeros(len(frame), np.uint8),
        owner=rng.integers(0, 2, len(lives))[life].astype(np.int8),
        x=20 * pace[2][life] + pace[0][life] * age,
        y=20 * pace[3][life] + pace[1][life] * age,
        vx=pace[0][life],
        vy=pace[1][life],
        timer=np.maximum(140 - age, 0).astype(np.float32),
        spawn_id=life,
    )


def mirror_fighter(rows: FighterRows) -> FighterRows:
    """The same frames seen in a mirror. Twice is the identity."""
    stage = attrs.evolve(rows.stage, blast_left=-rows.stage.blast_right, blast_right=-rows.stage.blast_left)
    return attrs.evolve(
        rows,
        state=rows.state * _FLIP,
        action=mirror_actions(rows.action),
        opponent_state=rows.opponent_state * _FLIP,
        opponent_action=mirror_actions(rows.opponent_action),
        stage=stage,
        items=rows.items.mirrored(),
    )


def cut_rows(rows: FighterRows, cuts: Sequence[int]) -> Iterator[FighterRows]:
    """The rows in pieces, cut before each frame of `cuts` (ascending)."""
    bounds = [0, *cuts, len(rows.action)]
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        yield FighterRows(
            state=rows.state[start:stop],
            action=rows.action[start:stop],
            character=rows.character[start:stop],
            opponent_state=rows.opponent_state[start:stop],
            opponent_action=rows.opponent_action[start:stop],
            opponent_character=rows.opponent_character[start:stop],
            stage=rows.stage,
            items=rows.items.cut(start, stop),
        )


def _internal(character: str) -> int:
    found = find_character(character)
    if found is None:
        raise unknown_name("character", character, BY_NAME)
    return found.internal


def _stage(name: str) -> Stage:
    if name.lower() not in STAGES:
        raise unknown_name("stage", name, STAGES)
    return STAGES[name.lower()]


def _state(count: int, columns: Mapping[str, Values]) -> npt.NDArray[np.float32]:
    state = np.full((count, len(STATE_COLUMNS)), np.nan, np.float32)
    for name, values in columns.items():
        if name not in STATE:
            raise unknown_name("state column", name, STATE)
        state[:, STATE[name]] = values
    return state


def _random_actions(rng: np.random.Generator, frames: int) -> npt.NDArray[np.int16]:
    common = rng.integers(0, FIRST_SPECIAL, frames)
    special = rng.integers(FIRST_SPECIAL, LAST_SPECIAL + 1, frames)
    each = np.where(rng.random(frames) < 0.5, special, common)
    lasting = np.repeat(each, rng.integers(1, LONGEST_ACTION + 1, frames))[:frames]
    # A special move goes through its phases, numbered one after the other.
    phases = np.repeat(rng.integers(0, 3, frames), 5)[:frames]
    return np.where(lasting >= FIRST_SPECIAL, np.minimum(lasting + phases, LAST_SPECIAL), lasting).astype(
        np.int16
    )


def _random_state(rng: np.random.Generator, frames: int, unknown: float) -> npt.NDArray[np.float32]:
    state = np.zeros((frames, len(STATE_COLUMNS)), np.float32)
    state[:, STATE["x"]] = rng.uniform(-250, 250) + rng.normal(0, 3, frames).cumsum()
    state[:, STATE["y"]] = rng.uniform(-100, 150) + rng.normal(0, 3, frames).cumsum()
    state[:, STATE["facing"]] = np.repeat(rng.choice([-1, 1], frames), 7)[:frames]
    for name, (low, high) in _RANGES.items():
        state[:, STATE[name]] = rng.uniform(low, high, frames)
    for name, most in _WHOLE.items():
        state[:, STATE[name]] = rng.integers(0, most + 1, frames)
    state[:, rng.random(len(STATE_COLUMNS)) < unknown] = np.nan
    state[rng.random(state.shape) < unknown / 2] = np.nan
    return state
