"""Metrics as JSON lines beside the model, one object an epoch, written as the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exphil_core.checkpoints.atomic import write_bytes


def append_metrics(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line, flushed to disk: it stands there whole or not at all, whatever happens next.

    A half-written last line, left by a full disk or a power cut, is overwritten.
    """
    line = (json.dumps(record, allow_nan=False) + "\n").encode()
    with path.open("rb+") as file:
        file.seek(_whole_lines(file.read()))
        file.write(line)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def begin_metrics(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Put `records` in place of whatever stands there: a run that goes on says again what it had said by then."""
    write_bytes(path, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode())


def _whole_lines(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines."""
    content = path.read_bytes()
    return [json.loads(line) for line in content[: _whole_lines(content)].splitlines()]
