"""What a run would do, without doing it: reads no replay and writes nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import torch

from exphil_core.checkpoints.files import CONFIG, METRICS, POLICY, WEIGHTS, sibling
from exphil_core.checkpoints.naming import load_scheme
from exphil_core.config.resolve import ResolvedConfig
from exphil_core.features.character import active_features
from exphil_core.features.schema import observation_schema
from exphil_core.models.blame import blaming
from exphil_core.models.policy import build_policy, parameter_count, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.filters import filter_of
from exphil_core.replays.sources import find_replays
from exphil_core.training.prepare import check_possible, step_memory
from exphil_core.training.run import name_fields
from exphil_core.wording import counted


def dry_run(run: ResolvedConfig, manager: PluginManager, now: datetime, demo: bool = False) -> list[str]:
    """Lines that say what would be read, trained and written. Raises what a real run would raise by then."""
    config = run.config
    device = check_possible(config)
    filter_of(config)  # reads the files that settings name
    scheme = load_scheme(manager, config.naming)
    features = active_features(manager, config.features)
    schema = observation_schema([feature.entry.spec for feature in features])
    torch.manual_seed(config.seed)
    shape = policy_shape(config.backbone, config.hidden_sizes, config.backbone_options, schema)
    policy = build_policy(manager, shape)
    with blaming(policy, manager):
        memory = step_memory(run, policy, schema)
    lines = [
        f"model: {config.backbone}, {parameter_count(policy):,} parameters, on {device}",
        f"memory: {memory}",
        f"observation: {schema.float_count} floats and {len(schema.ids)} ids a frame",
    ]
    if demo:
        lines.append("would make demo games and read them")
    else:
        files = find_replays(config.replays)
        size = sum(file.size for file in files)
        sample = f", of which {config.max_files} are taken" if config.max_files else ""
        lines.append(f"would read: {counted(len(files), 'file')}, {size / 1e6:.1f} MB{sample}")
    stem = scheme.stem(name_fields(run, now))
    lines += [
        f"would write: {Path(config.checkpoints) / sibling(stem, e)}"
        for e in (WEIGHTS, POLICY, CONFIG, METRICS)
    ]
    return [*lines, "dry run: nothing was read or written"]
