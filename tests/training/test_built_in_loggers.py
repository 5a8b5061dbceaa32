"""TensorBoard and Weights & Biases: what can be read in what we wrote, with their own classes. Skipped where they
aren't installed."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exphil_core.builtin.logger_options import TensorBoardOptions
from exphil_core.testing import check_logger
from exphil_core.testing.loggers import epoch_metrics, facts, step_metrics
from exphil_core.training.logger import RunEnd, flat

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)
needs_wandb = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve of a folder of event files, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@needs_tensorboard
def test_tensorboard_reads_a_run_back(small_run: Any) -> None:
    result = small_run(log_to="tensorboard", max_steps="25")
    found = scalars(result.folder / "tensorboard" / result.entry.stem)
    assert [step for step, _ in found["step/train_loss"]] == [10, 20]
    (line,) = (result.folder / f"{result.entry.stem}_metrics.jsonl").read_text().splitlines()
    metrics = flat(json.loads(line))
    for name in ("val_loss", "val_loss_change", "baseline_repeat", "lr", "parts/buttons"):
        assert found[f"epoch/{name}"] == [(25, pytest.approx(metrics[name], rel=1e-6))], name


@needs_tensorboard
def test_tensorboard_forgets_what_a_crash_made_void(tmp_path: Path) -> None:
    from exphil_core.training.log_tensorboard import TensorBoardLogger

    options = TensorBoardOptions(folder=str(tmp_path / "elsewhere"))
    killed = TensorBoardLogger(options)
    killed.start(facts(tmp_path))
    for step in range(10, 60, 10):
        killed.step({**step_metrics(step), "train_loss": 100.0})
    killed._writer.flush()
    resumed = TensorBoardLogger(options)
    resumed.start(facts(tmp_path, resumed_at=30))
    for step in range(40, 70, 10):
        resumed.step({**step_metrics(step), "train_loss": 1.0})
    resumed.epoch(epoch_metrics(60))
    resumed.finish(RunEnd(status="finished", model="x"))
    found = scalars(tmp_path / "elsewhere" / facts(tmp_path).name)
    assert found["step/train_loss"] == [(10, 100), (20, 100), (30, 100), (40, 1), (50, 1), (60, 1)]
    assert found["epoch/rates/actual/a"] == [(60, pytest.approx(0.2))]
    killed._writer.close()


@needs_tensorboard
def test_tensorboard_keeps_the_contract() -> None:
    check_logger("tensorboard")


# In processes of their own: what wandb warns of and leaves running is none of this one's business.
def _python(code: str, tmp_path: Path) -> None:
    environ = {**os.environ, "WANDB_MODE": "offline", "HOME": str(tmp_path), "WANDB_SILENT": "true"}
    environ.pop("WANDB_API_KEY", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=environ, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr


def records(path: Path) -> list[Any]:
    """Every record of an offline run: wandb's messages in LevelDB's log format, after a header of seven bytes.

    A block has 32 KiB; a chunk has a checksum (4 bytes), a length (2) and a type (1 whole, 2 first, 3 middle,
    4 last).
    """
    from wandb.proto import wandb_internal_pb2

    content, at, message, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        if (left := -at % 2**15) and left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        message += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(message)
            found.append(record)
            message = b""
    return found


@pytest.mark.all_only  # `make test` does without wandb
@needs_wandb
@pytest.mark.filterwarnings("ignore")  # wandb's own
def test_an_offline_run_of_wandb_holds_the_metrics(demo_folder: Path, tmp_path: Path) -> None:
    flags = {
        "replays": [str(demo_folder)], "checkpoints": str(tmp_path / "ck"), "backbone": "gru", "hidden_sizes": "8",
        "max_steps": "25", "epochs": "1", "window_size": "30", "batch_size": "4", "log_to": "wandb",
        "log_options": {"wandb.project": "melee"},
    }  # fmt: skip
    _python(
        "from exphil_core.config.resolve import resolve\n"
        "from exphil_core.plugin_manager import load_plugins\n"
        "from exphil_core.training.reporter import SilentReporter\n"
        "from exphil_core.training.run import train\n"
        "class Strict(SilentReporter):\n"
        "    def line(self, text): assert 'logger' not in text, text\n"
        "manager = load_plugins()\n"
        f"train(resolve(manager, flags={flags!r}), manager, Strict())",
        tmp_path,
    )
    (path,) = (tmp_path / "ck" / "wandb").glob("offline-run-*/*.wandb")
    (metrics,) = map(json.loads, next((tmp_path / "ck").glob("*_metrics.jsonl")).read_text().splitlines())
    begun, rows = None, []
    for record in records(path):
        if record.WhichOneof("record_type") == "run":
            begun = begun or record.run
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append(
                {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
            )
    assert begun is not None
    assert begun.project == "melee"
    steps = [row for row in rows if "step/train_loss" in row]
    assert [row["step"] for row in steps] == [10, 20]
    (epoch,) = [row for row in rows if "epoch/val_loss" in row]
    for name in ("val_loss", "baseline_repeat", "parts/buttons"):
        assert epoch[f"epoch/{name}"] == pytest.approx(flat(metrics)[name])


@pytest.mark.all_only  # `make test` does without wandb
@needs_wandb
def test_wandb_keeps_the_contract(tmp_path: Path) -> None:
    _python(
        "from exphil_core.testing import check_logger\ncheck_logger('wandb', options={'mode': 'offline'})",
        tmp_path,
    )
