"""One training run from settings to a registered model."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs
import torch

import exphil_core
from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import ModelEntry, places, utc_text
from exphil_core.checkpoints.files import CONFIG, METRICS, POLICY, WEIGHTS, sibling
from exphil_core.checkpoints.naming import NamedScheme, NameFields, finish_stem, load_scheme, reserve_stem
from exphil_core.checkpoints.paths import inside
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.running import running
from exphil_core.checkpoints.store import save_policy, save_weights
from exphil_core.config.resolve import ResolvedConfig
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import PARTS
from exphil_core.replays.sources import expanded
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.loop import Trainer
from exphil_core.training.metrics import append_metrics
from exphil_core.training.outcome import EpochResult, Outcome
from exphil_core.training.prepare import Prepared, prepare
from exphil_core.training.reporter import Reporter


@attrs.frozen(kw_only=True)
class TrainedModel:
    """What a run left behind."""

    entry: ModelEntry
    outcome: Outcome
    folder: Path


def train(
    run: ResolvedConfig,
    manager: PluginManager,
    reporter: Reporter,
    now: datetime | None = None,
    stop: StopRequest | None = None,
) -> TrainedModel | None:
    """Train as `run` says, write the model's files and register it. `stop` lets others end it early.

    Returns None if the run was interrupted before its first epoch was validated: nothing is left of it then.
    """
    stop = stop or StopRequest()
    moment = now or datetime.now(timezone.utc)
    scheme = load_scheme(manager, run.config.naming)
    ready = prepare(run, manager, reporter)
    folder = expanded(run.config.checkpoints)
    fields = name_fields(run, moment)
    stem = reserve_stem(folder, scheme, fields, run.config.bump)
    metrics = inside(folder, sibling(stem, METRICS))
    with running(folder, stem):
        try:
            outcome = _trained(run, ready, reporter, metrics, stop)
        except BaseException:
            metrics.unlink(missing_ok=True)
            raise
        if outcome.best is None:
            metrics.unlink(missing_ok=True)
            return None
        with stop.held():
            entry = _store(run, manager, ready, outcome, folder, (scheme, fields, stem))
    return TrainedModel(entry=entry, outcome=outcome, folder=folder)


def name_fields(run: ResolvedConfig, moment: datetime) -> NameFields:
    """What a naming scheme may use of a run that begins at `moment`."""
    config = run.config
    return NameFields(
        character=config.character,
        backbone=config.backbone,
        hidden_sizes=config.hidden_sizes,
        window_size=config.window_size if config.temporal else None,
        created_at=moment,
    )


def _trained(
    run: ResolvedConfig, ready: Prepared, reporter: Reporter, metrics: Path, stop: StopRequest
) -> Outcome:
    trainer = Trainer(run.config, ready.policy, ready.training, ready.held_out, ready.prior, reporter, stop)

    def finished(result: EpochResult) -> None:
        append_metrics(metrics, result.as_json())

    return trainer.run(finished)


def _store(
    run: ResolvedConfig,
    manager: PluginManager,
    ready: Prepared,
    outcome: Outcome,
    folder: Path,
    name: tuple[NamedScheme, NameFields, str],
) -> ModelEntry:
    """Write the model's files and register it: weights and policy first, then the config file, then the entry."""
    scheme, fields, stem = name
    best = outcome.best
    if best is None:
        raise ExphilError("nothing to store: no epoch was validated")
    stem = finish_stem(folder, scheme, attrs.evolve(fields, val_loss=best.validation.val_loss), stem)
    try:
        return _written(run, manager, ready, outcome, folder, stem, fields.created_at)
    except BaseException:
        # Half a model is no model: a full disk leaves the registry and nothing that it doesn't know.
        for ending in (WEIGHTS, POLICY, CONFIG):
            inside(folder, sibling(stem, ending)).unlink(missing_ok=True)
        raise


def _written(
    run: ResolvedConfig,
    manager: PluginManager,
    ready: Prepared,
    outcome: Outcome,
    folder: Path,
    stem: str,
    created_at: datetime,
) -> ModelEntry:
    config, best = run.config, outcome.best
    assert best is not None
    policy = ready.policy.cpu()
    hashes = {
        "weights": save_weights(inside(folder, sibling(stem, WEIGHTS)), policy),
        "policy": save_policy(inside(folder, sibling(stem, POLICY)), policy, _description(run, ready)),
    }
    entry = ModelEntry(
        **places(stem),
        created_at=utc_text(created_at),
        character=config.character,
        backbone=config.backbone,
        temporal=bool(config.temporal),
        hidden_sizes=config.hidden_sizes,
        window_size=config.window_size if config.temporal else None,
        epochs=len(outcome.history),
        training_frames=outcome.frames,
        val_loss=best.validation.val_loss,
        tags=config.tags,
        sha256=hashes,
        plugins=_plugins(run, manager, ready),
        schema=ready.schema.identity,
        delay=config.delay,
        validation_games=ready.validation_digest,
    )
    write_config(
        folder,
        entry,
        config=attrs.asdict(config),
        origins=dict(run.origins),
        results=_results(ready, outcome, best),
        data=_data(ready),
        observation=ready.schema.as_json(),
        provenance=_provenance(ready),
    )
    Registry(folder).add(entry)
    return entry


def _description(run: ResolvedConfig, ready: Prepared) -> dict[str, Any]:
    """What a policy file needs besides its tensors."""
    return {
        "observation": ready.schema.as_json(),
        "controller": {"parts": list(PARTS)},
        "delay": run.config.delay,
        "character": run.config.character,
    }


def _plugins(run: ResolvedConfig, manager: PluginManager, ready: Prepared) -> dict[str, str]:
    """Versions of the distributions that took part."""
    origins = [manager.get("exphil_backbones", run.config.backbone).origin]
    origins += [feature.entry.origin for feature in ready.features]
    return {origin.distribution: origin.version for origin in origins}


def _results(ready: Prepared, outcome: Outcome, best: EpochResult) -> dict[str, Any]:
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


def _data(ready: Prepared) -> dict[str, Any]:
    return {
        "replays": len(ready.training.table),
        "training_examples": ready.training.example_count(),
        "training_sides": len(ready.training.sides),
        "training_games": sorted(ready.training.table.hashes()),
        "left_out": dict(Counter(item.kind for item in ready.left_out)),
        "left_out_files": [{"file": item.file.name, "reason": item.reason} for item in ready.left_out],
    }


def _provenance(ready: Prepared) -> Mapping[str, Any]:
    return {
        "exphil_core": exphil_core.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(ready.device),
        "threads": torch.get_num_threads(),
    }
