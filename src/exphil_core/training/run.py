"""One training run from settings to a registered model."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import (
    ModelEntry,
    entry_from_json,
    entry_to_json,
    places,
    read_utc,
    utc_text,
)
from exphil_core.checkpoints.files import CONFIG, METRICS, POLICY, STATE, WEIGHTS, sibling, size_of
from exphil_core.checkpoints.naming import NamedScheme, NameFields, finish_stem, load_scheme, reserve_stem
from exphil_core.checkpoints.needs import BACKBONE, FEATURES, plugins_json
from exphil_core.checkpoints.paths import inside
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.running import running
from exphil_core.checkpoints.states import drop_older, save_state, states
from exphil_core.checkpoints.store import save_policy, save_weights
from exphil_core.config.resolve import ResolvedConfig
from exphil_core.errors import ExphilError
from exphil_core.models.blame import blamed
from exphil_core.plugin_manager import PluginManager, Registered
from exphil_core.replays.controller import PARTS
from exphil_core.replays.sources import expanded
from exphil_core.replays.tables import changed_since
from exphil_core.training.agreement import agree
from exphil_core.training.allocator import keep_freed_memory
from exphil_core.training.characters import imitated_characters
from exphil_core.training.checkpoint import check_fits, find_checkpoint, refuse_leak
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.logger import RunEnd, RunFacts
from exphil_core.training.loggers import Loggers
from exphil_core.training.loop import Trainer
from exphil_core.training.machine import take_up
from exphil_core.training.metrics import append_metrics, begin_metrics
from exphil_core.training.outcome import EpochResult, Outcome
from exphil_core.training.parent import Parent
from exphil_core.training.prepare import Prepared, prepare
from exphil_core.training.record import (
    data_record,
    provenance,
    results_record,
    resumptions,
    state_record,
)
from exphil_core.training.reporter import Reporter
from exphil_core.training.resume import Resumed, made_sense_of
from exphil_core.training.snapshot import restore, snapshot
from exphil_core.training.space import check_space, needed_bytes
from exphil_core.training.team import ALONE, Team
from exphil_core.training.versions import tell_changes
from exphil_core.training.widening import take_weights


@attrs.frozen(kw_only=True)
class TrainedModel:
    """What a finished run left behind."""

    entry: ModelEntry
    outcome: Outcome
    folder: Path


@attrs.frozen(kw_only=True)
class UnfinishedRun:
    """A run that was interrupted or failed. `state` is where it can go on from, None if it had not come that far."""

    outcome: Outcome
    folder: Path
    state: Path | None


@attrs.frozen(kw_only=True, eq=False)
class _Job:
    """One run and where its files go."""

    run: ResolvedConfig
    manager: PluginManager
    ready: Prepared
    scheme: NamedScheme
    fields: NameFields
    folder: Path
    stem: str
    resumed: Resumed | None
    parent: Parent | None
    loggers: Loggers

    def file(self, ending: str) -> Path:
        """One of the run's files."""
        return inside(self.folder, sibling(self.stem, ending))


def train(
    run: ResolvedConfig,
    manager: PluginManager,
    reporter: Reporter,
    now: datetime | None = None,
    stop: StopRequest | None = None,
    resumed: Resumed | None = None,
    team: Team = ALONE,
) -> TrainedModel | UnfinishedRun:
    """Train as `run` says (or as `resumed` goes on), write the model's files and register it. `stop` lets others end
    it early; the run's state is saved then, and no model is registered. All ranks of a `team` call this and come out
    with the same; rank 0 alone writes."""
    stop = stop or StopRequest()
    keep_freed_memory()
    scheme = load_scheme(manager, run.config.naming)
    ready = prepare(run, manager, reporter, resumed.record if resumed else None, team)
    agree(team, run.config, ready)
    parent = resumed.parent() if resumed else None
    if resumed is None and run.config.from_checkpoint is not None:
        parent = _fine_tuned(run, ready)
    folder = expanded(run.config.checkpoints)
    moment = now or datetime.now(timezone.utc)
    taken_up = resumed is not None and resumed.model() is None
    if resumed is not None:
        take_up(resumed.record["machine"], ready.policy, ready.device, team.world, reporter.line)
        tell_changes(resumed.record["versions"], ready.versions, reporter.line)
        _tell_of_tables(run, resumed, reporter)
    if resumed is not None and taken_up:
        moment, stem = read_utc(resumed.record["run"]["created_at"]), resumed.stem
    fields = name_fields(run, moment)
    if team.leads:
        games = len(ready.training.table) + len(ready.held_out.table)
        had = size_of(inside(folder, sibling(resumed.stem, STATE))) if resumed is not None and taken_up else 0
        check_space(folder, needed_bytes(ready.policy, run.config, games), had)
    if not taken_up:
        stem = team.told(reserve_stem(folder, scheme, fields, run.config.bump) if team.leads else "")
    job = _Job(
        run=run,
        manager=manager,
        ready=ready,
        scheme=scheme,
        fields=fields,
        folder=folder,
        stem=stem,
        resumed=resumed,
        parent=parent,
        loggers=Loggers(reporter.line),
    )
    with running(folder, stem) if team.leads else contextlib.nullcontext():
        return _logged(job, reporter, stop)


def _logged(job: _Job, reporter: Reporter, stop: StopRequest) -> TrainedModel | UnfinishedRun:
    """Carry the run out, and tell the loggers how it ended."""
    try:
        ended = _carried_out(job, reporter, stop)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        job.loggers.finish(RunEnd(status=status, reason=f"{type(error).__name__}: {error}"))
        raise
    outcome, trained = ended.outcome, isinstance(ended, TrainedModel)
    job.loggers.finish(
        RunEnd(
            status="finished" if trained else "interrupted" if outcome.interrupted else "failed",
            reason=outcome.stopped,
            model=ended.entry.id if isinstance(ended, TrainedModel) else None,
            state=str(ended.state) if isinstance(ended, UnfinishedRun) and ended.state else None,
            best=outcome.best.as_json() if outcome.best else None,
        )
    )
    return ended


def _tell_of_tables(run: ResolvedConfig, resumed: Resumed, reporter: Reporter) -> None:
    begun = resumed.record["run"]
    for name in changed_since(run.config, begun["table_digests"], begun["folder"]):
        kept = "the table" if name == "weights" else "the games"
        flag = f"--{name.replace('_', '-')} {getattr(run.config, name)}"
        reporter.line(f"warning: {flag} has changed: the run goes on with {kept} that it was begun with")


def _fine_tuned(run: ResolvedConfig, ready: Prepared) -> Parent:
    """Give the policy the weights of the model that the run starts from."""
    checkpoint = find_checkpoint(str(run.config.from_checkpoint), run.config.checkpoints)
    check_fits(run, checkpoint)
    refuse_leak(checkpoint, ready.held_out.table.hashes())
    take_weights(
        ready.policy, checkpoint.tensors(), checkpoint.observation, ready.schema, checkpoint.parent.id
    )
    return checkpoint.parent


def _carried_out(job: _Job, reporter: Reporter, stop: StopRequest) -> TrainedModel | UnfinishedRun:
    finished = False
    try:
        outcome = _trained(job, reporter, stop)
        if outcome.error is not None:
            outcome.error = blamed(outcome.error, job.ready.policy, job.manager)
            if isinstance(outcome.error, ExphilError):
                outcome.stopped = str(outcome.error)
        finished = not (outcome.interrupted or outcome.failed)
    finally:
        there = states(job.file(STATE))
        if not finished and not there and job.ready.team.leads:
            # It left no state, so it left nothing: its name is free again.
            job.file(METRICS).unlink(missing_ok=True)
    if not finished:
        if outcome.error is not None and not there:
            raise outcome.error
        return UnfinishedRun(outcome=outcome, folder=job.folder, state=job.file(STATE) if there else None)
    with stop.held():
        try:
            entry = _stored(job, outcome)
        except _NotStored as failure:
            return _without_model(failure, outcome)
    return TrainedModel(entry=entry, outcome=outcome, folder=job.folder)


class _NotStored(Exception):
    """The model's files could not be written, not even without the run's older states."""

    def __init__(self, job: _Job, error: OSError) -> None:
        super().__init__(str(error))
        self.job, self.error = job, error


def _without_model(failure: _NotStored, outcome: Outcome) -> UnfinishedRun:
    """Its state is whole: going on with it writes the model once there is space. Raises what was raised where it has
    none."""
    job, error = failure.job, failure.error
    if not states(job.file(STATE)):
        raise error
    where = f"{error.filename}: " if error.filename else ""
    outcome.stopped = f"the model can't be written: {where}{error.strerror or error}"
    outcome.failed, outcome.error = True, error
    return UnfinishedRun(outcome=outcome, folder=job.folder, state=job.file(STATE))


def _trained(job: _Job, reporter: Reporter, stop: StopRequest) -> Outcome:
    config, ready = job.run.config, job.ready
    before = job.resumed.record if job.resumed else None
    constant = state_record(job.run, ready, utc_text(job.fields.created_at), job.parent, before)

    def save(trainer: Trainer) -> None:
        tensors, training = snapshot(trainer)
        if ready.team.leads:
            save_state(job.file(STATE), tensors, {**constant, "training": training}, config.keep_states)

    trainer = Trainer(
        config,
        ready.policy,
        ready.training,
        ready.held_out,
        ready.prior,
        reporter,
        stop,
        save,
        ready.training_files,
        job.loggers,
        team=ready.team,
    )
    metrics = job.file(METRICS)
    if job.resumed is not None:
        with made_sense_of(job.file(STATE)):
            restore(trainer, job.resumed.tensors, job.resumed.record["training"])
    if not ready.team.leads:
        return trainer.run(lambda result: None)
    if job.resumed is not None:
        begin_metrics(metrics, [result.as_json() for result in trainer.outcome.history])
    _start_loggers(job)
    return trainer.run(lambda result: append_metrics(metrics, result.as_json()))


def _start_loggers(job: _Job) -> None:
    config = job.run.config
    job.loggers.load(job.manager, config.log_to, config.log_options)
    job.loggers.start(
        RunFacts(
            name=job.stem,
            folder=job.folder,
            created_at=utc_text(job.fields.created_at),
            config=json.loads(json.dumps(attrs.asdict(config))),
            resumed_at=job.resumed.record["training"]["steps"] if job.resumed else None,
        )
    )


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


def _stored(job: _Job, outcome: Outcome) -> ModelEntry:
    """What rank 0 has stored."""
    team = job.ready.team
    told = team.told(json.dumps(entry_to_json(_store(job, outcome))) if team.leads else "")
    return entry_from_json(json.loads(told))


def _store(job: _Job, outcome: Outcome) -> ModelEntry:
    """Write the model's files and register it: weights and policy first, then the config file, then the entry."""
    best = outcome.best
    if best is None:
        raise ExphilError("nothing to store: no epoch was validated")
    fields = attrs.evolve(job.fields, val_loss=best.validation.val_loss)
    job = attrs.evolve(job, stem=finish_stem(job.folder, job.scheme, fields, job.stem))
    while True:
        try:
            return _written(job, outcome, best)
        except BaseException as error:
            # Half a model is no model: a full disk leaves the state, the registry and nothing that it doesn't know.
            for ending in (WEIGHTS, POLICY, CONFIG):
                job.file(ending).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            if not drop_older(job.file(STATE)):
                raise _NotStored(job, error) from error


def _written(job: _Job, outcome: Outcome, best: EpochResult) -> ModelEntry:
    config, ready = job.run.config, job.ready
    policy = ready.policy.cpu()
    hashes = {
        "weights": save_weights(job.file(WEIGHTS), policy),
        "policy": save_policy(job.file(POLICY), policy, _description(job, outcome)),
    }
    parent = job.parent
    entry = ModelEntry(
        **places(job.stem),
        created_at=utc_text(job.fields.created_at),
        character=config.character,
        backbone=config.backbone,
        temporal=bool(config.temporal),
        hidden_sizes=config.hidden_sizes,
        window_size=config.window_size if config.temporal else None,
        epochs=_own_epochs(job, outcome),
        training_frames=outcome.frames,
        val_loss=best.validation.val_loss,
        parent_model=parent.id if parent else None,
        training_type=parent.training_type if parent else "imitation",
        inherited_epochs=parent.epochs if parent else 0,
        tags=config.tags,
        sha256=hashes,
        plugins=_plugins(job.run, job.manager, ready),
        schema=ready.schema.identity,
        delay=config.delay,
        validation_games=ready.validation_digest,
    )
    write_config(
        job.folder,
        entry,
        config=attrs.asdict(config),
        origins=dict(job.run.origins),
        results=results_record(ready, outcome, best),
        data=data_record(ready),
        observation=ready.schema.as_json(),
        provenance={
            **provenance(ready),
            "resumed": resumptions(job.run, job.resumed.record if job.resumed else None),
        },
    )
    Registry(job.folder).add(entry)
    return entry


def _own_epochs(job: _Job, outcome: Outcome) -> int:
    """Epochs of this model: those of a finished run that it continues are the parent's."""
    return len(outcome.history) - (job.parent.continued if job.parent else 0)


def _description(job: _Job, outcome: Outcome) -> dict[str, Any]:
    """What a policy file needs besides its tensors."""
    inherited = job.parent.epochs if job.parent else 0
    return {
        "observation": job.ready.schema.as_json(),
        "controller": {"parts": list(PARTS)},
        "delay": job.run.config.delay,
        "character": job.run.config.character,
        "characters": imitated_characters(job.ready.training),
        "plugins": plugins_json(_entries(job.run, job.manager, job.ready)),
        "total_epochs": inherited + _own_epochs(job, outcome),
    }


def _plugins(run: ResolvedConfig, manager: PluginManager, ready: Prepared) -> dict[str, str]:
    """Versions of the distributions that took part."""
    origins = [entry.origin for _, entry in _entries(run, manager, ready)]
    return {origin.distribution: origin.version for origin in origins}


def _entries(run: ResolvedConfig, manager: PluginManager, ready: Prepared) -> list[tuple[str, Registered]]:
    """What of plugins a policy is made of, each with its hook."""
    backbone = manager.get(BACKBONE, run.config.backbone)
    return [(BACKBONE, backbone), *((FEATURES, feature.entry) for feature in ready.features)]
