"""Writes `docs/observation.md` from the schema: `python -m exphil_core.features.reference docs/observation.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.features.columns import (
    DECIDED_COLUMNS,
    ITEM_COLUMNS,
    ITEM_SLOTS,
    ITEMS_KNOWN,
    KNOWN_COLUMNS,
    MASKS,
    PARTNER_COLUMNS,
    PLACE_COLUMNS,
    RELATIVE_COLUMNS,
    STAGE_COLUMNS,
    STATE_COLUMNS,
    Column,
)
from exphil_core.features.schema import observation_schema

HEAD = """# What a model sees

Made from the code's own tables by `make docs`; a test keeps it up to date. Schema {identity}: {floats} floats and
{ids} ids a frame, without character features, which add columns for both fighters.

A float is the value in its unit times its scale, without further normalisation. Ids are looked up in learned tables;
columns of one table share it. Everything is as `own` (oneself) and `opponent` see it. What isn't known is 0, with
the `…_known` column of its group at 0. *Slippi* is the version from which replays hold a value (read with peppi);
*libmelee* and *UMI* say how it arrives in play. Percent and whole frames are rounded towards zero in all of them, so
that a model sees the same in play as in training; `yes` means that the value arrives as it is.

A model stores its schema in its config file. `load_policy` refuses data of another schema and names the columns in
which they differ.
"""
MASKED = """## What can be unknown

Each group below can be missing, in old replays or in play. `--mask-dropout P` hides each group from a share P of the
training examples (segments of windows, or single frames), so that a model learns to do without it.
`--controller-dropout P` hides the `decided` columns in the same way, so that a model looks at the game instead of at
its own hands. The policy head still knows the last controller: its starting point is to repeat it, which it can do in
play as well. `--identity-dropout P` makes both characters' ids and the stage's unknown (their last ids), together, so
that a model learns from all games what it might otherwise learn by heart of each; actions, positions and platforms
still tell much. All three are for training only; held-out games are always seen whole.

| group | known by | unknown in |
|---|---|---|
"""


def _number(value: float) -> str:
    return f"{value:g}"


def _scale(value: float) -> str:
    return f"1/{1 / value:g}" if value < 1 else f"{value:g}"


def _table(columns: Sequence[Column]) -> str:
    head = "| column | unit | range | scale | in a mirror | can be unknown | Slippi | libmelee | UMI |\n"
    lines = [head, "|---|---|---|---|---|---|---|---|---|\n"]
    for column in columns:
        mirror = "-" if column.mirrored else ""
        if column.mirror_name:
            mirror = f"{mirror}`{column.mirror_name}`"
        cells = (
            f"`{column.name}`",
            column.unit,
            f"{_number(column.low)} to {_number(column.high)}",
            _scale(column.scale),
            mirror or "same",
            column.mask,
            column.since,
            column.libmelee,
            column.umi,
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _ids() -> str:
    head = "| id | below | table | what | can be unknown | Slippi | libmelee | UMI |\n"
    lines = [head, "|---|---|---|---|---|---|---|---|\n"]
    for column in observation_schema().ids:
        cells = (
            f"`{column.name}`", str(column.size), column.table, column.says, column.mask, column.since,
            column.libmelee, column.umi,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def reference() -> str:
    """The whole page, as Markdown."""
    schema = observation_schema()
    known = [column for column, _ in KNOWN_COLUMNS]
    parts = [
        HEAD.format(identity=schema.identity, floats=schema.float_count, ids=len(schema.ids)),
        "## Each fighter: `own_…` and `opponent_…`\n\n" + _table([*STATE_COLUMNS, *known, *PLACE_COLUMNS]),
        "## Between them\n\n" + _table(RELATIVE_COLUMNS),
        "## Each fighter's partner (Ice Climbers): `own_partner_…` and `opponent_partner_…`\n\n"
        + _table(PARTNER_COLUMNS),
        "## The stage\n\n"
        "A platform's columns are its height above oneself and its left and right ends, seen from oneself.\n"
        "Randall is the cloud on Yoshi's Story.\n\n" + _table(STAGE_COLUMNS),
        f"## Items: `own_item_0_…` to `opponent_item_{ITEM_SLOTS - 1}_…`\n\n"
        f"Items that belong to a fighter: the {ITEM_SLOTS} newest of each side, the newest first. In the real\n"
        "replays that the project is tested on, a side has more than four in 0.06 % of all frames, more than two\n"
        "in 0.3 %.\n\n" + _table([ITEMS_KNOWN, *ITEM_COLUMNS]),
        "## The controller decided last\n\n"
        "Under a reaction delay of D frames this is the one decided for D frames later, not the one in force.\n"
        "Nearly every player keeps to one of X and Y, and of L and R: what was used last tells which, from the\n"
        "first frame in which players can move (-39) on. It is hidden with the rest.\n\n"
        + _table(DECIDED_COLUMNS),
        "## Ids\n\n" + _ids(),
        MASKED + "".join(f"| {group.name} | `{group.known}` | {group.says} |\n" for group in MASKS),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    write_bytes(Path(sys.argv[1]), reference().encode("utf-8"))
