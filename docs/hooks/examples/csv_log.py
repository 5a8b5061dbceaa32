"""`exphil train --log-to csv`: each epoch's losses as a table, for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from exphil_core import LoggerSpec, hookimpl, option
from exphil_core.options import one_of

if TYPE_CHECKING:
    from exphil_core.training.logger import RunEnd, RunFacts

exphil_contract = 1

COLUMNS = ("step", "epoch", "train_loss", "val_loss", "val_loss_change", "lr")


@attrs.frozen(kw_only=True)
class CsvOptions:
    """Each field can be set: `--log-option csv.separator=semicolon`."""

    separator: str = option("comma", rule=one_of("comma", "semicolon"), help="What stands between values.")


@hookimpl
def exphil_loggers() -> list[LoggerSpec]:
    return [
        LoggerSpec(
            name="csv",
            factory="csv_log:CsvLogger",
            options=CsvOptions,
            summary="Each epoch's losses as a table, in NAME.csv.",
        )
    ]


class CsvLogger:
    """Writes the whole table anew after each epoch: it is small, and never half a line."""

    def __init__(self, options: CsvOptions) -> None:
        self._separator = "," if options.separator == "comma" else ";"

    def start(self, run: RunFacts) -> None:
        self._path = run.folder / f"{run.name}.csv"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rows: list[dict[str, Any]] = []
        if run.resumed_at is not None and self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as file:
                before = list(csv.DictReader(file, delimiter=self._separator))
            # What came after the saved step was lost in a crash, and comes again.
            self._rows = [row for row in before if int(row["step"]) <= run.resumed_at]

    def step(self, metrics: Mapping[str, float]) -> None:
        """Every few steps; a table of epochs has no use for it."""

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        self._rows.append({name: metrics[name] for name in COLUMNS})
        with self._path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, delimiter=self._separator)
            table.writeheader()
            table.writerows(self._rows)

    def finish(self, end: RunEnd) -> None:
        """Nothing is left to do: the table is written."""
