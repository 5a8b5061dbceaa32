"""The curves of a run, from its metrics: found by whatever names it, and read while it goes on, too."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.files import CONFIG, METRICS, STATE, stem_of, walk
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import find_id
from exphil_core.errors import ExphilError
from exphil_core.training.metrics import read_metrics

# What is drawn together: title, then (metric, what it is called, whether it is a baseline).
PANELS: tuple[tuple[str, tuple[tuple[str, str, bool], ...]], ...] = (
    (
        "loss, nats a frame",
        (
            ("train_loss", "train", False),
            ("val_loss", "val", False),
            ("baseline_repeat", "repeat", True),
            ("baseline_marginal", "marginal", True),
        ),
    ),
    (
        "loss on changes",
        (
            ("val_loss_change", "val", False),
            ("baseline_repeat_change", "repeat", True),
            ("baseline_marginal_change", "marginal", True),
        ),
    ),
    ("learning rate", (("lr", "lr", False),)),
)


@attrs.frozen(kw_only=True)
class Run:
    """A run's name, where its metrics stand, and one object of metrics an epoch."""

    name: str
    source: Path
    epochs: tuple[Mapping[str, Any], ...]

    def series(self, metric: str) -> list[tuple[float, float]]:
        """(epoch, value) wherever the metric is a number."""
        return [
            (float(line["epoch"]), float(line[metric]))
            for line in self.epochs
            if _is_number(line.get(metric))
        ]

    def rates(self) -> dict[str, tuple[float, float]]:
        """How often each button was predicted and was pressed, as the last epoch that tells says."""
        for line in reversed(self.epochs):
            rates = line.get("rates")
            if isinstance(rates, Mapping):
                predicted, actual = rates.get("predicted"), rates.get("actual")
                if isinstance(predicted, Mapping) and isinstance(actual, Mapping):
                    both = {name: (predicted[name], actual[name]) for name in predicted if name in actual}
                    return {name: pair for name, pair in both.items() if all(map(_is_number, pair))}
        return {}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def find_run(name: str, checkpoints: Path) -> Run:
    """The run that `name` means: one of its files, its stem in `checkpoints`, or the beginning of its model's id.

    Raises ExphilError where there is none, or where it holds no epoch yet.
    """
    metrics = _metrics_path(name, checkpoints)
    lines = _lines(metrics)
    if not lines:
        raise ExphilError(f"{name}: no epoch in {metrics} yet; an epoch is written when it is over")
    return Run(name=stem_of(metrics.name) or metrics.name, source=metrics, epochs=tuple(lines))


def _metrics_path(name: str, checkpoints: Path) -> Path:
    path = Path(name).expanduser()
    if path.exists():
        return _beside(path)
    folder = checkpoints.expanduser()
    if not folder.is_dir():
        raise ExphilError(f'"{name}" is no file, and there is no folder {folder}; see --checkpoints')
    exact = folder / f"{name}{METRICS}"
    if exact.is_file():
        return exact
    entries = Registry(folder).models()
    # A run in progress has metrics and no entry; it is found by its stem, or by the last part of it.
    stems = {stem.rpartition("/")[2]: stem for stem in _running(folder, {entry.stem for entry in entries})}
    stems |= {entry.id: entry.stem for entry in entries}
    return _of_stem(folder / stems[find_id(stems, name)])


def _running(folder: Path, known: set[str]) -> list[str]:
    found = (stem_of(relative) for relative in walk(folder) if relative.endswith(METRICS))
    return [stem for stem in found if stem is not None and stem not in known]


def _beside(path: Path) -> Path:
    """The metrics of the run that `path` is a file of."""
    if path.parent.name.endswith(STATE):  # one of the states in NAME.state/
        path = path.parent
    stem = stem_of(path.name) if path.is_file() or path.name.endswith(STATE) else None
    if stem is None:
        raise ExphilError(f"{path}: no file of a run; give a model's id, or a file such as NAME{METRICS}")
    return _of_stem(path.with_name(stem))


def _of_stem(stem: Path) -> Path:
    """The metrics file of a run; its config file, which repeats them, if that is gone."""
    for ending in (METRICS, CONFIG):
        file = stem.with_name(stem.name + ending)
        if file.is_file():
            return file
    raise ExphilError(f"{stem}: neither {stem.name}{METRICS} nor {stem.name}{CONFIG} is there")


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        if path.name.endswith(CONFIG):
            lines = json.loads(path.read_bytes())["results"]["history"]
        else:
            lines = read_metrics(path)
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ExphilError(f"{path}: not the metrics of a run ({type(error).__name__}: {error})") from error
    if not isinstance(lines, list) or not all(
        isinstance(line, dict) and _is_number(line.get("epoch")) for line in lines
    ):
        raise ExphilError(f"{path}: not the metrics of a run (a line without an epoch)")
    return lines


def as_json(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every run's series, for scripts."""
    names = [metric for _, lines in PANELS for metric, _, _ in lines]
    return [
        {
            "run": run.name,
            "metrics": str(run.source),
            "epoch": [line["epoch"] for line in run.epochs],
            **{name: [line.get(name) for line in run.epochs] for name in names},
            "rates": [line.get("rates") for line in run.epochs],
        }
        for run in runs
    ]
