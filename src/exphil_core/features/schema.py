"""The observation, column by column. Models store it and refuse data of another.

Floats are scaled to about -1…1 by a fixed factor; ids go through learned embeddings, never as numbers. What a
replay doesn't record is 0 with the group's `…_known` column at 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import attrs

from exphil_core.melee.characters import INTERNAL_IDS as CHARACTER_IDS
from exphil_core.melee.controller import BUTTONS
from exphil_core.melee.stages import INTERNAL_IDS as STAGE_IDS
from exphil_core.specs import CharacterFeatureSpec

# Raised when a column changes its meaning, place or scale.
SCHEMA_VERSION = 1
ACTION_IDS = 512

FIGHTERS = ("own", "opponent")


@attrs.frozen(kw_only=True)
class Column:
    """One float of the observation: the value in `unit` times `scale`. `mirrored`: its sign flips in a mirror."""

    name: str
    unit: str
    scale: float
    mirrored: bool = False


@attrs.frozen(kw_only=True)
class IdColumn:
    """One id of the observation, below `size`."""

    name: str
    size: int


# (column of Game.state_TPF, unit, scale, flips in a mirror), in the order of the observation.
FIGHTER_STATE: tuple[tuple[str, str, float, bool], ...] = (
    ("x", "units", 0.01, True),
    ("y", "units", 0.01, False),
    ("facing", "sign", 1.0, True),
    ("percent", "percent", 0.01, False),
    ("shield", "shield health", 1 / 60, False),
    ("action_frame", "frames", 0.02, False),
    ("speed_air_x", "units/frame", 0.25, True),
    ("speed_y", "units/frame", 0.25, False),
    ("knock_x", "units/frame", 0.25, True),
    ("knock_y", "units/frame", 0.25, False),
    ("speed_ground_x", "units/frame", 0.25, True),
    ("hitlag", "frames", 0.1, False),
    ("hitstun", "frames", 0.02, False),
    ("stocks", "stocks", 0.25, False),
    ("airborne", "0 or 1", 1.0, False),
    ("jumps", "jumps left", 0.5, False),
    ("invulnerable", "0 or 1", 1.0, False),
)
# Groups that older replays lack, each with a column that says whether it is known: speeds came with Slippi 3.5,
# hit-lag with 3.8, the rest with 2.0 and 2.1.
KNOWN_GROUPS: tuple[tuple[str, str], ...] = (
    ("speeds_known", "speed_y"),
    ("hitlag_known", "hitlag"),
    ("hitstun_known", "hitstun"),
    ("airborne_known", "airborne"),
    ("invulnerable_known", "invulnerable"),
)
FIGHTER_PLACE: tuple[tuple[str, str, float, bool], ...] = (
    ("inside_edge", "units from the nearer edge, positive above the stage", 0.01, False),
    ("to_left_blast", "units", 0.005, False),
    ("to_right_blast", "units", 0.005, False),
    ("to_top_blast", "units", 0.005, False),
    ("to_bottom_blast", "units", 0.005, False),
)
RELATIVE: tuple[tuple[str, str, float, bool], ...] = (
    ("opponent_dx", "units", 0.01, True),
    ("opponent_dy", "units", 0.01, False),
    ("opponent_ahead", "units in the direction faced", 0.01, False),
    ("distance", "units", 0.01, False),
)


@attrs.frozen(kw_only=True)
class ObservationSchema:
    """All columns of an observation, in order; `features` are the character features among them."""

    columns: tuple[Column, ...]
    ids: tuple[IdColumn, ...]
    features: tuple[str, ...]

    @property
    def float_count(self) -> int:
        """Number of floats of an observation."""
        return len(self.columns)

    def as_json(self) -> dict[str, Any]:
        """The schema as it stands in a model's config file."""
        return {
            "version": SCHEMA_VERSION,
            "features": list(self.features),
            "columns": [attrs.asdict(column) for column in self.columns],
            "ids": [attrs.asdict(column) for column in self.ids],
            "id": self.identity,
        }

    @property
    def identity(self) -> str:
        """A short text that is equal for equal schemas."""
        content = [
            SCHEMA_VERSION,
            [attrs.astuple(c) for c in self.columns],
            [attrs.astuple(c) for c in self.ids],
        ]
        return f"{SCHEMA_VERSION}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def _fighter_columns(who: str) -> list[Column]:
    def column(name: str, unit: str, scale: float, mirrored: bool = False) -> Column:
        return Column(name=f"{who}_{name}", unit=unit, scale=scale, mirrored=mirrored)

    return [
        *(column(*row) for row in FIGHTER_STATE),
        *(column(name, "0 or 1", 1.0) for name, _ in KNOWN_GROUPS),
        *(column(*row) for row in FIGHTER_PLACE),
    ]


def _controller_columns() -> list[Column]:
    sticks = [
        Column(name=f"decided_{axis}", unit="-1 to 1", scale=1.0, mirrored=axis.endswith("x"))
        for axis in ("main_x", "main_y", "c_x", "c_y")
    ]
    pressed = [Column(name=f"decided_{name.lower()}", unit="0 or 1", scale=1.0) for name in BUTTONS]
    return [*sticks, Column(name="decided_shoulder", unit="0 to 1", scale=1.0), *pressed]


def observation_schema(features: Sequence[CharacterFeatureSpec] = ()) -> ObservationSchema:
    """The schema with the columns of these character features, for both fighters each."""
    columns = [
        *_fighter_columns("own"),
        *_fighter_columns("opponent"),
        *(Column(name=n, unit=u, scale=s, mirrored=m) for n, u, s, m in RELATIVE),
        *_controller_columns(),
    ]
    for feature in features:
        for who in FIGHTERS:
            columns += [
                Column(
                    name=f"{who}_{feature.name}_{c.name}".replace("-", "_"),
                    unit=f"{c.low:g} to {c.high:g}",
                    scale=1.0,
                    mirrored=c.mirrored,
                )
                for c in feature.columns
            ]
    ids = [
        IdColumn(name="own_action", size=ACTION_IDS),
        IdColumn(name="opponent_action", size=ACTION_IDS),
        IdColumn(name="own_character", size=CHARACTER_IDS),
        IdColumn(name="opponent_character", size=CHARACTER_IDS),
        IdColumn(name="stage", size=STAGE_IDS),
    ]
    return ObservationSchema(columns=tuple(columns), ids=tuple(ids), features=tuple(f.name for f in features))
