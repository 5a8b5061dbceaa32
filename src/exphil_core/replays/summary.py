"""What a scan found, counted and as rows for other programs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.atomic import writing
from exphil_core.errors import ExphilError
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import Selection
from exphil_core.replays.sources import ReplayFile


@attrs.define(kw_only=True)
class Tally:
    """Games, sides of them to imitate (those that weigh something), and the examples on these sides."""

    games: int = 0
    sides: int = 0
    examples: int = 0

    def add(self, sides: int, examples: int) -> None:
        """Count one more game."""
        self.games, self.sides, self.examples = self.games + 1, self.sides + sides, self.examples + examples


@attrs.frozen(kw_only=True)
class Summary:
    """What of the files can be used, by character and stage, and what can't, by reason. A Zelda who becomes Sheik
    counts for both; `total` counts her once."""

    files: int
    frames: int
    total: Tally
    characters: dict[str, Tally]
    stages: dict[str, Tally]
    reasons: Counter[str]


def summarise(files: int, selection: Selection, drop_idle: bool) -> Summary:
    """Count what a selection from so many files holds."""
    total, frames = Tally(), 0
    characters: dict[str, Tally] = {}
    stages: dict[str, Tally] = {}
    for item in selection.chosen:
        facts = item.facts
        sides = [side for side, weight in zip(item.sides, item.weights, strict=True) if weight > 0]
        examples = {side: facts.examples(side, drop_idle) for side in sides}
        frames += facts.frames
        total.add(len(sides), sum(examples.values()))
        stages.setdefault(facts.stage, Tally()).add(len(sides), sum(examples.values()))
        for name in {name for side in sides for name in facts.players[side].shares}:
            theirs = [side for side in sides if name in facts.players[side].shares]
            shared = sum(round(examples[side] * facts.players[side].shares[name]) for side in theirs)
            characters.setdefault(name, Tally()).add(len(theirs), shared)
    return Summary(
        files=files,
        frames=frames,
        total=total,
        characters=characters,
        stages=stages,
        reasons=selection.reasons(),
    )


def records(
    files: list[ReplayFile], facts: list[FileFacts], selection: Selection, anonymous: bool
) -> list[dict[str, Any]]:
    """One record a file: its facts, the sides to imitate, and why it is left out, if it is. `anonymous` leaves
    tags and codes out."""
    sides = {item.file: list(item.sides) for item in selection.chosen}
    left_out = {item.file: item.reason for item in selection.left_out}
    return [
        {
            **known.as_json(),
            "players": [_player_record(player, anonymous) for player in known.players],
            "version": ".".join(map(str, known.version)) if known.version else "",
            "sides": sides.get(file, []),
            "left_out": left_out.get(file),
        }
        for file, known in zip(files, facts, strict=True)
    ]


def _player_record(player: Any, anonymous: bool) -> dict[str, Any]:
    record = {**attrs.asdict(player), "rank": player.rank}
    if anonymous:
        del record["tag"], record["code"]
    return record


def write_parquet(path: Path, rows: list[dict[str, Any]], anonymous: bool) -> None:
    """Put the records at `path` as Parquet, all or nothing. Raises ExphilError if it can't be written."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(
        [
            {
                **row,
                # Parquet's text is UTF-8, which names of files need not be.
                "file": row["file"].encode("utf-8", "backslashreplace").decode(),
                "players": [_listed_shares(player) for player in row["players"]],
            }
            for row in rows
        ],
        schema=_schema(anonymous),
    )
    try:
        with writing(path) as file:
            parquet.write_table(table, file, compression="zstd")
    except OSError as error:
        raise ExphilError(f"{path}: {error.strerror or error}") from None


def _listed_shares(player: dict[str, Any]) -> dict[str, Any]:
    return {**player, "shares": list(player["shares"].items())}


def _schema(anonymous: bool) -> Any:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    named = [] if anonymous else [("tag", text), ("code", text)]
    player = pa.struct(
        [
            ("port", pa.int8()), ("character", text), ("human", pa.bool_()), *named, ("rank", text),
            ("shares", pa.map_(text, pa.float32())), ("idle", number), ("won", pa.bool_()),
        ]
    )  # fmt: skip
    return pa.schema(
        [
            ("file", text), ("sha256", text), ("game_hash", text), ("version", text), ("date", text),
            ("stage", text), ("players", pa.list_(player)), ("frames", number), ("rows", number),
            ("rollback_rows", number), ("item_rows", number), ("end", text), ("reason", text),
            ("sides", pa.list_(pa.int8())), ("left_out", text),
        ]
    )  # fmt: skip
