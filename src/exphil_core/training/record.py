"""What a run's states and its model's config file say of it, besides how far it has come."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

import exphil_core
from exphil_core.checkpoints.entry import read_utc
from exphil_core.config.resolve import ResolvedConfig
from exphil_core.options import field_types
from exphil_core.strict import check_kinds
from exphil_core.training.loop import EpochUnderWay
from exphil_core.training.machine import machine
from exphil_core.training.outcome import EpochResult, Outcome
from exphil_core.training.parent import Parent
from exphil_core.training.prepare import Prepared

# So many of the files that were left out are named in each state; the model's config file names all.
NAMED_IN_STATES = 10_000
# Settings that say how long a run goes on: what may be given anew and is recorded.
LENGTHS = ("epochs", "max_steps", "max_time")


def state_record(
    run: ResolvedConfig,
    ready: Prepared,
    created_at: str,
    parent: Parent | None,
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What stays the same in all states of a run. `before` is the record of the state that it was resumed from."""
    begun = before["run"] if before else {"folder": os.getcwd()}  # noqa: PTH109
    return {
        "run": {
            "config": attrs.asdict(run.config),
            "origins": dict(run.origins),
            "preset": run.preset,
            "created_at": created_at,
            "parent": parent.as_json() if parent else None,
            "resumed": resumptions(run, before),
            "folder": begun["folder"],
            "tables": {name: text for name, text in ready.tables.items() if name != "exclude_file"},
            "table_digests": dict(ready.table_digests),
        },
        "data": {
            "training_games": list(ready.training.table.hashes()),
            "held_out_games": list(ready.held_out.table.hashes()),
            "training_files": list(ready.training_contents),
            "held_out_files": list(ready.held_out_contents),
            "left_out_files": _left_out(ready)[:NAMED_IN_STATES],
            "schema": ready.schema.identity,
            "observation": ready.schema.as_json(),
        },
        "machine": machine(ready.policy, ready.device, ready.team.world),
        "versions": dict(ready.versions),
    }


_TABLE = dict[str, Any]
_NAMES = tuple[str, ...]
# What is read of a state's record, by section.
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "run": {
        "config": _TABLE, "origins": dict[str, str], "preset": str | None, "created_at": str, "parent": _TABLE | None,
        "resumed": tuple[_TABLE, ...], "folder": str, "tables": dict[str, str], "table_digests": dict[str, str],
    },
    "data": {
        "training_games": _NAMES, "training_files": _NAMES, "held_out_files": _NAMES,
        "left_out_files": tuple[dict[str, str], ...], "schema": str, "observation": _TABLE,
    },
    "machine": {"threads": int, "kernel": str | None},
    "versions": {},
    "training": {
        "steps": int, "averaged": int, "carried": int, "under_way": _TABLE, "elapsed": float,
        "history": tuple[_TABLE, ...], "best_epoch": int | None,
    },
}  # fmt: skip


def check_record(record: Mapping[str, Any]) -> None:
    """ValueError (or TypeError, of a parent) says what a state's record lacks or has as something else."""
    check_kinds(record, dict.fromkeys(_KINDS, _TABLE))
    for section, kinds in _KINDS.items():
        check_kinds(record[section], kinds, f"{section}.")
    check_kinds(record, {"versions": dict[str, str]})
    check_kinds(record["training"]["under_way"], field_types(EpochUnderWay), "training.under_way.")
    for item in record["data"]["left_out_files"]:
        check_kinds(item, {"file": str, "reason": str}, "data.left_out_files: ")
    read_utc(record["run"]["created_at"])
    Parent.from_json(record["run"]["parent"])


def resumptions(run: ResolvedConfig, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Where the run was taken up again, and with what in another way than before."""
    if before is None:
        return []
    now = attrs.asdict(run.config)
    changed = {
        name: [value, now[name]]
        for name, value in before["run"]["config"].items()
        if name in LENGTHS and value != now[name]
    }
    resumed = {
        "step": before["training"]["steps"],
        "epoch": before["training"]["under_way"]["epoch"],
        "changed": changed,
    }
    return [*before["run"]["resumed"], resumed]


def results_record(ready: Prepared, outcome: Outcome, best: EpochResult) -> dict[str, Any]:
    """What came out, with the games that it was judged on."""
    validation = best.validation.as_json()
    return {
        **{key: value for key, value in validation.items() if key not in ("frames", "change_frames")},
        "validation_frames": best.validation.frames,
        "validation_change_frames": best.validation.change_frames,
        "validation_games": sorted(ready.held_out.table.hashes()),
        "validation_sides": sorted(ready.held_out_sides),
        "best_epoch": best.epoch,
        "stopped": outcome.stopped,
        "history": [result.as_json() for result in outcome.history],
    }


def data_record(ready: Prepared) -> dict[str, Any]:
    """What the model was trained on."""
    return {
        "replays": len(ready.training.table),
        "training_examples": ready.training.example_count(),
        "training_sides": len(ready.training.sides),
        "training_games": sorted(ready.training.table.hashes()),
        "left_out": dict(Counter(item.kind for item in ready.left_out)),
        "left_out_files": _left_out(ready),
        "tables": {
            name: {"sha256": digest, **({"text": ready.tables[name]} if name == "weights" else {})}
            for name, digest in ready.table_digests.items()
        },
    }


def _left_out(ready: Prepared) -> list[dict[str, str]]:
    return [{"file": item.file.name, "reason": item.reason} for item in ready.left_out]


def provenance(ready: Prepared) -> dict[str, Any]:
    """What the model was trained with."""
    return {
        "exphil_core": exphil_core.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": dict(ready.versions),
        **machine(ready.policy, ready.device, ready.team.world),
    }
