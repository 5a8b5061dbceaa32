"""The columns of the observation: what each is, who delivers it, and what may be masked.

Every table below is in the order of the observation. `FIGHTERS` each have the columns of `STATE_COLUMNS`,
`KNOWN_COLUMNS` and `PLACE_COLUMNS`, their partners those of `PARTNER_COLUMNS`, their item slots `ITEM_COLUMNS`.
"""

from __future__ import annotations

from typing import Any

import attrs

from exphil_core.melee.controller import BUTTONS, TWINS

FIGHTERS = ("own", "opponent")
# Frames of real replays in which a side has more than four items: 0.06 % (Sheik's needles and chain); more than two:
# 0.3 %, most of them lasers, boomerangs and bombs that matter.
ITEM_SLOTS = 4
SIDES = ("left", "right")
PLATFORMS = ("left", "right", "top")


@attrs.frozen(kw_only=True)
class Column:
    """One float of the observation: the value in `unit`, from `low` to `high`, times `scale`.

    In a mirror it becomes the column called `mirror_name` (itself, if that is empty), with its sign flipped if
    `mirrored`. `mask` names the group with which it can become unknown. `since` is the version of Slippi from which
    replays hold it; `libmelee` and `umi` say how it arrives when playing.
    """

    name: str
    unit: str
    scale: float
    low: float
    high: float
    mirrored: bool = False
    mirror_name: str = ""
    mask: str = ""
    since: str = "0.1"
    libmelee: str = "yes"
    umi: str = "yes"

    @property
    def meaning(self) -> dict[str, Any]:
        """What a model depends on, as it stands in its config file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "scale": self.scale,
            "mirrored": self.mirrored,
            "mirror_name": self.mirror_name,
            "mask": self.mask,
        }


@attrs.frozen(kw_only=True)
class IdColumn:
    """One id of the observation, below `size`, looked up in the learned `table`, which others may share.

    `unknown` is the id that stands for "not known" where `mask` names the group that can be masked.
    """

    name: str
    size: int
    table: str
    says: str
    mask: str = ""
    unknown: int = 0
    since: str = "0.1"
    libmelee: str = "yes"
    umi: str = "yes"

    @property
    def meaning(self) -> dict[str, Any]:
        """What a model depends on, as it stands in its config file."""
        return {"name": self.name, "size": self.size, "table": self.table, "mask": self.mask}


@attrs.frozen(kw_only=True)
class MaskGroup:
    """Columns that some source or old replay lacks. `known` is the column that says whether they are there (of each
    fighter's own, or of all); `stage` names the one stage that they can be unknown on."""

    name: str
    known: str
    says: str
    stage: str = ""


FLOORED = "floored by us"
TRUNCATED = "truncated by us"
MASKS: tuple[MaskGroup, ...] = (
    MaskGroup(name="speeds", known="speeds_known", says="replays before 3.5"),
    MaskGroup(name="hitlag", known="hitlag_known", says="replays before 3.8"),
    MaskGroup(name="hitstun", known="hitstun_known", says="replays before 2.0"),
    MaskGroup(name="airborne", known="airborne_known", says="replays before 2.0"),
    MaskGroup(name="invulnerable", known="invulnerable_known", says="replays before 2.1"),
    MaskGroup(name="items", known="items_known", says="replays before 3.6"),
    MaskGroup(
        name="platforms",
        known="platforms_known",
        says="Fountain of Dreams in replays before 3.18",
        stage="fountainofdreams",
    ),
    MaskGroup(
        name="form",
        known="form_known",
        says="Pokémon Stadium in replays before 3.18 (unless frozen), and at UMI",
        stage="pokemonstadium",
    ),
)
# Dropped by `--controller-dropout`, never unknown otherwise.
DECIDED = "decided"
# Dropped by `--identity-dropout`: the ids of these tables. No column names it as its mask: models of before that flag
# have the same schema.
IDENTITY = "identity"
IDENTITY_TABLES = ("character", "stage")


def _unknowable(mask: str, since: str) -> dict[str, Any]:
    return {"mask": mask, "since": since}


_SPEED: dict[str, Any] = {
    "unit": "units/frame",
    "scale": 0.25,
    "low": -20,
    "high": 20,
    **_unknowable("speeds", "3.5"),
}

# In the order of Game.state_TPF.
STATE_COLUMNS: tuple[Column, ...] = (
    Column(name="x", unit="units", scale=0.01, low=-300, high=300, mirrored=True),
    Column(name="y", unit="units", scale=0.01, low=-300, high=300),
    Column(name="facing", unit="-1 left, 1 right", scale=1.0, low=-1, high=1, mirrored=True),
    Column(
        name="percent", unit="whole percent", scale=0.01, low=0, high=999, libmelee=FLOORED, umi="floored"
    ),
    Column(name="shield", unit="shield health", scale=1 / 60, low=0, high=60),
    Column(
        name="action_frame",
        unit="whole frames in the action",
        scale=0.02,
        low=-2,
        high=600,
        libmelee="moved back by 1 where libmelee counts from 1",
        umi="truncated",
    ),
    Column(name="speed_air_x", mirrored=True, **_SPEED),
    Column(name="speed_y", **_SPEED),
    Column(name="knock_x", mirrored=True, **_SPEED),
    Column(name="knock_y", **_SPEED),
    Column(name="speed_ground_x", mirrored=True, **_SPEED),
    Column(
        name="hitlag", unit="whole frames left", scale=0.1, low=0, high=30, **_unknowable("hitlag", "3.8")
    ),
    Column(
        name="hitstun",
        unit="whole frames left, in damage",
        scale=0.02,
        low=0,
        high=250,
        libmelee="gated by action",
        **_unknowable("hitstun", "2.0"),
    ),
    Column(name="stocks", unit="stocks", scale=0.25, low=0, high=99),
    Column(name="airborne", unit="0 or 1", scale=1.0, low=0, high=1, **_unknowable("airborne", "2.0")),
    Column(name="jumps", unit="jumps left", scale=0.5, low=0, high=6, **_unknowable("airborne", "2.0")),
    Column(
        name="invulnerable", unit="0 or 1", scale=1.0, low=0, high=1, **_unknowable("invulnerable", "2.1")
    ),
)
_FLAG: dict[str, Any] = {"unit": "0 or 1", "scale": 1.0, "low": 0, "high": 1}
# Each says whether the column of the same fighter beside it is known; one of each group suffices.
KNOWN_COLUMNS: tuple[tuple[Column, str], ...] = tuple(
    (Column(name=group.known, **_FLAG, mask=group.name, since="-", libmelee="1", umi="1"), column)
    for group, column in zip(
        MASKS, ("speed_y", "hitlag", "hitstun", "airborne", "invulnerable"), strict=False
    )
)
_BLAST: dict[str, Any] = {"unit": "units", "scale": 0.005, "low": -300, "high": 800}
_LEDGE: dict[str, Any] = {"unit": "units", "scale": 0.01, "low": -300, "high": 400}
PLACE_COLUMNS: tuple[Column, ...] = (
    Column(name="inside_edge", unit="units from the nearer edge, inwards", scale=0.01, low=-300, high=90),
    Column(name="to_left_blast", mirror_name="to_right_blast", **_BLAST),
    Column(name="to_right_blast", mirror_name="to_left_blast", **_BLAST),
    Column(name="to_top_blast", **_BLAST),
    Column(name="to_bottom_blast", **_BLAST),
    Column(name="to_left_ledge", mirror_name="to_right_ledge", **_LEDGE),
    Column(name="to_right_ledge", mirror_name="to_left_ledge", **_LEDGE),
)
_DISTANCE: dict[str, Any] = {"unit": "units from oneself", "scale": 0.01, "low": -600, "high": 600}
RELATIVE_COLUMNS: tuple[Column, ...] = (
    Column(name="opponent_dx", mirrored=True, **_DISTANCE),
    Column(name="opponent_dy", **_DISTANCE),
    Column(name="opponent_ahead", unit="units in the direction faced", scale=0.01, low=-600, high=600),
    Column(name="distance", unit="units", scale=0.01, low=0, high=800),
)
_OF_STATE = {column.name: column for column in STATE_COLUMNS}
# A partner's state that the observation has, besides where it is.
PARTNER_STATE = (
    "facing", "percent", "shield", "action_frame", "hitlag", "hitstun", "airborne", "jumps", "invulnerable",
)  # fmt: skip
PARTNER_COLUMNS: tuple[Column, ...] = (
    Column(name="present", **_FLAG),
    Column(name="dx", mirrored=True, **_DISTANCE),
    Column(name="dy", **_DISTANCE),
    # libmelee counts action frames from 1 for leaders alone.
    *(
        attrs.evolve(_OF_STATE[name], libmelee="yes" if name == "action_frame" else _OF_STATE[name].libmelee)
        for name in PARTNER_STATE
    ),
)


def _platform_columns(name: str, other: str = "", **above: Any) -> tuple[Column, ...]:
    """A platform, by where it is from oneself. `other` is the one that it becomes in a mirror."""
    other = other or name
    return (
        Column(name=f"{name}_present", mirror_name=f"{other}_present", **_FLAG),
        Column(name=f"{name}_above", mirror_name=f"{other}_above", **{**_DISTANCE, **above}),
        Column(name=f"{name}_from", mirror_name=f"{other}_to", mirrored=True, **_DISTANCE),
        Column(name=f"{name}_to", mirror_name=f"{other}_from", mirrored=True, **_DISTANCE),
    )


_MOVING = _unknowable("platforms", "3.18 on Fountain")
STAGE_COLUMNS: tuple[Column, ...] = (
    *_platform_columns("platform_left", "platform_right", **_MOVING),
    *_platform_columns("platform_right", "platform_left", **_MOVING),
    *_platform_columns("platform_top"),
    *_platform_columns("randall", libmelee="by frame number", umi="by frame number"),
    Column(name="platforms_known", **_FLAG, mask="platforms", since="-", libmelee="1", umi="1"),
    Column(name="form_known", **_FLAG, mask="form", since="-", libmelee="1", umi="0 on Stadium"),
)
_ITEM: dict[str, Any] = _unknowable("items", "3.6")
ITEM_COLUMNS: tuple[Column, ...] = (
    Column(name="present", **_FLAG, **_ITEM),
    Column(name="dx", mirrored=True, **{**_DISTANCE, **_ITEM}),
    Column(name="dy", **{**_DISTANCE, **_ITEM}),
    Column(name="vx", unit="units/frame", scale=0.25, low=-20, high=20, mirrored=True, **_ITEM),
    Column(name="vy", unit="units/frame", scale=0.25, low=-20, high=20, **_ITEM),
    Column(
        name="timer",
        unit="whole frames left",
        scale=0.005,
        low=-400,
        high=1400,
        **_ITEM,
        umi=TRUNCATED,
    ),
)
ITEMS_KNOWN = Column(name="items_known", **_FLAG, mask="items", since="-", libmelee="1", umi="1")
_OWN: dict[str, Any] = {"mask": DECIDED, "since": "-", "libmelee": "our own", "umi": "our own"}
DECIDED_COLUMNS: tuple[Column, ...] = (
    *(
        Column(name=f"decided_{axis}", unit="-1 to 1", scale=1.0, low=-1, high=1, mirrored=flips, **_OWN)
        for axis, flips in (("main_x", True), ("main_y", False), ("c_x", True), ("c_y", False))
    ),
    Column(name="decided_shoulder", unit="0 to 1", scale=1.0, low=0, high=1, **_OWN),
    *(Column(name=f"decided_{name.lower()}", **_FLAG, **_OWN) for name in BUTTONS),
    *(
        Column(
            name=f"last_{first.lower()}_or_{second.lower()}",
            unit=f"1: {first} was used last, -1: {second}, 0: neither yet",
            scale=1.0,
            low=-1,
            high=1,
            **_OWN,
        )
        for first, second in TWINS
    ),
    Column(name="decided_known", **_FLAG, **_OWN),
)
