"""Everything before the first step: games read, held-out ones set apart, the policy built. Writes nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from exphil_core.checkpoints.atomic import why_unwritable
from exphil_core.checkpoints.entry import games_digest
from exphil_core.config.resolve import LONG_WINDOW, ResolvedConfig
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.features.character import ActiveFeature, active_features
from exphil_core.features.schema import ObservationSchema, observation_schema
from exphil_core.models.backbones.base import set_dropout
from exphil_core.models.blame import blaming
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import ControllerCounts, ControllerPrior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.filters import LeftOut
from exphil_core.replays.sources import ReplayFile, expanded, find_replays
from exphil_core.replays.split import split_games
from exphil_core.replays.tables import Tables, digests, read_tables
from exphil_core.training.frames import FrameStore
from exphil_core.training.games import Games, games_of, select_games
from exphil_core.training.loop import pick_device
from exphil_core.training.memory import activation_bytes
from exphil_core.training.reporter import Reporter
from exphil_core.training.reselect import select_again
from exphil_core.training.sampling import POOL_SEGMENT
from exphil_core.training.segments import Cutting
from exphil_core.training.table import Runs
from exphil_core.training.team import ALONE, Team
from exphil_core.training.versions import versions
from exphil_core.wording import counted, one_line

# So many of the files that are left out are named on the screen; all of them are in the model's config file.
NAMED_FILES = 500
# Examples that the prior is fitted on at most: more would only cost another pass over the disk.
PRIOR_FRAMES = 20_000_000


@attrs.frozen(kw_only=True, eq=False)
class Prepared:
    """A run that is ready to start."""

    training: FrameStore
    held_out: FrameStore
    training_files: tuple[str, ...]
    held_out_sides: tuple[str, ...]
    training_contents: tuple[str, ...]  # the SHA-256 of the files' bytes, in the order of the games
    held_out_contents: tuple[str, ...]
    tables: Tables  # what stood in the files that the settings name, as far as the run still needs it
    table_digests: Mapping[str, str]  # of all of them
    versions: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    features: tuple[ActiveFeature, ...]
    schema: ObservationSchema
    prior: ControllerPrior
    policy: Policy
    device: torch.device
    team: Team

    @property
    def validation_digest(self) -> str:
        """Equal for runs whose losses compare."""
        return games_digest(self.held_out_sides)


def prepare(
    run: ResolvedConfig,
    manager: PluginManager,
    reporter: Reporter,
    state: Mapping[str, Any] | None = None,
    team: Team = ALONE,
) -> Prepared:
    """Read the replays and build the policy of `run`. Raises ExphilError before anything is written. The ranks of a
    `team` share the reading; each comes out with the same games and weights.

    With the record of a `state`, the very games of that run are taken, whatever else is among the replays by now.
    """
    config = run.config
    device = check_possible(config, team)
    if config.threads:
        torch.set_num_threads(config.threads)
    features = active_features(manager, config.features)
    tables = read_tables(config) if state is None else state["run"]["tables"]
    games = read_games(find_replays(config.replays), run, features, reporter, tables, state, team)
    hashes = games.table.hashes()
    if state is None:
        split = split_games(hashes, config.validation_fraction)
        # In the order of their content: what files are called, and where they lie, decides nothing.
        train, held = (sorted(part, key=hashes.__getitem__) for part in split)
    else:
        begun = len(state["data"]["training_files"])
        train, held = list(range(begun)), list(range(begun, len(games)))
    # Idle stretches never count in validation, nor do weights: the canonical loss must not depend on a training
    # setting.
    training = games.store(train, delay=config.delay, drop_idle=config.drop_idle, weighted=True)
    held_out = games.store(held, delay=config.delay, drop_idle=True)
    for name, frames in (("training", training), ("held-out", held_out)):
        if frames.example_count() == 0:
            raise ExphilError(f"the {name} games hold no frame to imitate: {_why_empty(config)}; add replays")
    _warn_of_batch(run, training, reporter)
    schema = observation_schema([feature.entry.spec for feature in features])
    if state is not None and state["data"]["schema"] != schema.identity:
        raise ExphilError(
            f"this run was begun with observation schema {state['data']['schema']}; it is {schema.identity} now: "
            "install the versions of exphil-core and the plugins that it was begun with"
        )
    prior = prior_of(training, team)
    torch.manual_seed(config.seed)
    shape = policy_shape(config.backbone, config.hidden_sizes, config.backbone_options, schema, config.head)
    policy = build_policy(manager, shape)
    policy.head.set_prior(prior)
    if set_dropout(policy.backbone, config.dropout) == 0 and config.dropout:
        reporter.line(
            f"warning: --dropout {config.dropout:g} reaches embedding and head only: backbone {config.backbone} has "
            "no dropout layers"
        )
    set_dropout(policy, config.dropout)
    if config.temporal and config.window_size > LONG_WINDOW:
        with blaming(policy, manager):
            reporter.line(f"window_size {config.window_size}: {step_memory(run, policy, schema)}")
    return Prepared(
        training=training,
        held_out=held_out,
        training_files=tuple(games.files[game] for game in train),
        held_out_sides=tuple(
            f"{hashes[game]}:{fighter}:{config.rollback}" for game in held for fighter in games.fighters[game]
        ),
        training_contents=tuple(games.contents[game] for game in train),
        held_out_contents=tuple(games.contents[game] for game in held),
        tables=tables,
        table_digests=digests(tables) if state is None else state["run"]["table_digests"],
        versions=versions(manager, config.backbone, features, config.rollback),
        left_out=games.left_out if state is None else left_out_of(state["data"]),
        features=features,
        schema=schema,
        prior=prior,
        policy=policy.to(device),
        device=device,
        team=team,
    )


def left_out_of(data: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """What a run left out when it began, as its state names it."""
    return tuple(
        LeftOut(file=ReplayFile(path=item["file"]), reason=item["reason"]) for item in data["left_out_files"]
    )


def _why_empty(config: TrainConfig) -> str:
    return "nobody moves in them" + (", or --weights leaves all of them out" if config.weights else "")


def read_games(
    files: Sequence[ReplayFile],
    run: ResolvedConfig,
    features: Sequence[ActiveFeature],
    reporter: Reporter,
    tables: Tables,
    state: Mapping[str, Any] | None = None,
    team: Team = ALONE,
) -> Games:
    """The games of `files` that pass the filters, naming what is left out, or those of `state`, training games first.
    Raises ExphilError if nothing is left, or not all of a state's."""
    if state is None:
        selection, cache = select_games(files, run.config, reporter, tables=tables, team=team)
    else:
        contents = [*state["data"]["training_files"], *state["data"]["held_out_files"]]
        selection, cache = select_again(files, contents, run.config, tables, reporter, team)
    games = games_of(selection, cache, features, run.config, reporter, team)
    for item in games.left_out[:NAMED_FILES]:
        reporter.line(f"left out {one_line(item.file.name)}: {item.reason}")
    if len(games.left_out) > NAMED_FILES:
        reporter.line(f"left out {counted(len(games.left_out) - NAMED_FILES, 'more file')}")
    reasons = ", ".join(
        f"{count} {kind}" for kind, count in Counter(item.kind for item in games.left_out).most_common()
    )
    if state is not None and games.left_out:
        raise ExphilError(f"games that this run was begun with can't be read any more: {reasons}")
    if not len(games):
        raise ExphilError(f"none of the {len(files)} replay files can be trained on: {reasons}")
    left = f"; left out {len(games.left_out)}: {reasons}" if games.left_out else ""
    reporter.line(f"{counted(len(games), 'game')}, {counted(games.table.frames.sum(), 'frame')}{left}")
    return games


def prior_of(store: FrameStore, team: Team = ALONE) -> ControllerPrior:
    """The prior of `store`'s examples: all of them, or PRIOR_FRAMES drawn from everywhere if there are more. Each
    rank counts its part of them; counts add up to the very same prior."""
    counts, part = ControllerCounts(), team.part
    counted: Iterable[Runs] = [store.examples()]
    if store.example_count() > PRIOR_FRAMES:
        counted = Cutting(store, store.examples(), POOL_SEGMENT, mirror=0, key=0).runs(PRIOR_FRAMES)
    for runs in counted:
        for cells, last in store.targets_of(runs.taken(slice(part.index, None, part.count))):
            counts.add(cells, last)
    if team.world > 1:
        summed = team.sums(np.concatenate(counts.tables).tolist())
        for table in counts.tables:
            table[:], summed = summed[: len(table)], summed[len(table) :]
    return counts.prior()


def step_memory(run: ResolvedConfig, policy: Policy, schema: ObservationSchema) -> str:
    """What a training step of `run` takes, for the user."""
    config = run.config
    window = config.window_size if config.temporal else 1
    kept = activation_bytes(policy, schema, window, config.batch_size or 1)
    return f"a step keeps about {kept / 1e6:,.0f} MB of activations (batch_size {config.batch_size})"


def _warn_of_batch(run: ResolvedConfig, training: FrameStore, reporter: Reporter) -> None:
    """A batch that the data can't fill is smaller than asked for: say so."""
    config = run.config
    size = config.batch_size or 1
    if config.temporal:
        there, unit = int((-(-training.sides.rows // config.window_size)).sum()), "windows"
    else:
        there, unit = training.example_count(), "frames"
    if size > there:
        reporter.line(f"warning: batch_size {size} is more than the {there} {unit} there are to train on")


def check_possible(config: TrainConfig, team: Team = ALONE) -> torch.device:
    """The device to train on. Raises ExphilError for what no replay could make right. Writes nothing."""
    size = config.batch_size or 1
    if size < team.world:
        raise UsageError(
            f"--batch-size {size} is that of all ranks together: too small for {team.world} of them"
        )
    device = pick_device(config.device, team)
    team.uses(device)
    check_writable(expanded(config.checkpoints))
    return device


def check_writable(folder: Path) -> None:
    """Refuse a folder that can't be written before hours are spent on what goes into it. Leaves nothing."""
    existing = folder.absolute()
    while not os.path.exists(existing) and existing != existing.parent:  # noqa: PTH110  (not even to be looked at)
        existing = existing.parent
    if not existing.is_dir():
        raise ExphilError(f"--checkpoints {folder}: {existing} is a file, not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ExphilError(f"--checkpoints {folder}: no permission to write in {existing}")
    if reason := why_unwritable(folder):
        raise ExphilError(f"--checkpoints {folder} can't be made or written: {reason}")
