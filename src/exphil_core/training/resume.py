"""Going on with a run: its state found, its configuration taken from there, and what may be given anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from torch import Tensor

from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import STATE, stem_of
from exphil_core.checkpoints.registry import FILE, Registry
from exphil_core.checkpoints.states import SavedState, load_state, newest, with_states
from exphil_core.config.presets import Layer
from exphil_core.config.resolve import InvalidSettings, ResolvedConfig, resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.options import check_values
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.sources import expanded, from_folder
from exphil_core.training.parent import Parent
from exphil_core.training.record import check_record
from exphil_core.wording import one_line

LAST = "last"
STATE_ORIGIN = "state"
# What can't change the result: where things are, how often they are saved, how long to go on.
FREE = frozenset(
    {
        "replays",
        "cache_dir",
        "checkpoints",
        "epochs",
        "max_steps",
        "max_time",
        "save_every",
        "keep_states",
        "tags",
        "log_to",
        "log_options",
    }
)


@attrs.frozen(kw_only=True, eq=False)
class Resumed:
    """A run to go on with: where it stands (`folder`, `stem`) and everything that its state holds."""

    run: ResolvedConfig
    folder: Path
    stem: str
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def model(self) -> ModelEntry | None:
        """The run's model, if it was finished: going on makes another one then, whose parent it is."""
        return next((entry for entry in Registry(self.folder).models() if entry.stem == self.stem), None)

    def nothing_left(self) -> str:
        """Why the run would end where it stands, and what to do about it; empty if there is something left of it."""
        config, training = self.run.config, self.record["training"]
        done, steps, best = len(training["history"]), training["steps"], training["best_epoch"]
        if done >= config.epochs:
            return f"all {done} epochs of it; to train on, give --epochs {2 * done}"
        if config.max_steps is not None and steps >= config.max_steps:
            return f"all {config.max_steps} steps of it; to train on, give --max-steps {2 * config.max_steps}"
        if config.early_stopping and best is not None and done - best >= config.patience:
            return (
                f"ended by --early-stopping after {done - best} epochs without a better one; to train on, start a "
                f"fine-tune with --from-checkpoint"
            )
        return ""

    def parent(self) -> Parent | None:
        """Where the run started from: a finished run's own model, or whatever its state says."""
        model, done = self.model(), len(self.record["training"]["history"])
        if model is None:
            return Parent.from_json(self.record["run"]["parent"])
        return Parent(
            id=model.id,
            epochs=model.inherited_epochs + done,
            training_type=model.training_type,
            continued=done,
        )


def resume(
    wanted: str,
    checkpoints: str,
    flags: Mapping[str, Any],
    manager: PluginManager,
    warn: Callable[[str], None],
) -> Resumed:
    """Find the state that `wanted` names (a path, or "last" in `checkpoints`) and apply `flags` to its configuration.

    Raises ExphilError where there is none that is whole, UsageError for flags that would change the result.
    """
    if wanted != LAST and "checkpoints" in flags:
        raise UsageError(
            "--checkpoints: a state is resumed where it stands; leave it out, or copy the folder first"
        )
    path = newest(expanded(checkpoints)) if wanted == LAST else _state_folder(wanted)
    saved = load_state(path, warn)
    with made_sense_of(path):
        check_record(saved.record)
        return _resumed(path, saved, wanted, flags, manager)


@contextmanager
def made_sense_of(state: Path) -> Iterator[None]:
    """Say which state it is that nothing can be made of: it is whole, so somebody has changed it."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ExphilError(
            f"{state}: not a state of such a run: it was changed, or made by another version of ExPhil "
            f"({one_line(said)}); a model of the run goes on with --from-checkpoint"
        ) from error


def _resumed(
    path: Path, saved: SavedState, wanted: str, flags: Mapping[str, Any], manager: PluginManager
) -> Resumed:
    folder, stem = _place(path)
    begun, done = saved.record["run"], len(saved.record["training"]["history"])
    run = _resolved(begun["config"], flags, manager)
    as_begun = attrs.asdict(run.config, value_serializer=lambda *args: _jsonable(args[-1]))
    problems = _refused(as_begun, begun["config"])
    steps, limit = saved.record["training"]["steps"], run.config.max_steps
    if run.config.epochs < done:
        problems.append(f"--epochs {run.config.epochs}: the run has done {done} already")
    if limit is not None and limit < steps:
        problems.append(f"--max-steps {limit}: the run has done {steps} already")
    if problems:
        raise InvalidSettings(problems)
    origins = {
        name: begun["origins"].get(name, origin) if origin == STATE_ORIGIN else origin
        for name, origin in run.origins.items()
    }
    config = attrs.evolve(_from_where(run.config, begun["folder"], flags), checkpoints=str(folder))
    run = attrs.evolve(run, config=config, origins=origins, preset=begun["preset"], warnings=())
    resumed = Resumed(run=run, folder=folder, stem=stem, tensors=saved.tensors, record=saved.record)
    if (why := resumed.nothing_left()) and resumed.model() is not None:
        others = _unfinished(folder) if wanted == LAST else []
        or_else = f"; or go on with an unfinished run: --resume {others[-1]}" if others else ""
        raise UsageError(f"{stem}: this run is finished, {why}{or_else}")
    return resumed


def _resolved(begun: Mapping[str, Any], flags: Mapping[str, Any], manager: PluginManager) -> ResolvedConfig:
    try:
        return resolve(manager, layers=[Layer(STATE_ORIGIN, dict(begun))], flags=flags)
    except InvalidSettings:
        # What contradicts the run's other settings is refused by name, too.
        given, wrong = check_values(TrainConfig, flags, texts=True)
        if (refused := _refused(given, begun)) and not wrong:
            raise InvalidSettings(refused) from None
        raise


def _from_where(config: TrainConfig, folder: str, flags: Mapping[str, Any]) -> TrainConfig:
    """Relative paths that were typed in `folder`, made good for this process."""
    if "replays" not in flags:
        config = attrs.evolve(config, replays=tuple(from_folder(path, folder) for path in config.replays))
    if "cache_dir" not in flags and config.cache_dir is not None:
        config = attrs.evolve(config, cache_dir=from_folder(config.cache_dir, folder))
    return config


def _unfinished(folder: Path) -> list[Path]:
    """The runs in `folder` that left states and no model, those written last at the end."""
    finished = {entry.stem for entry in Registry(folder).models()}
    found = [path for path in with_states(folder) if _place(path)[1] not in finished]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def _state_folder(wanted: str) -> Path:
    path = expanded(wanted)
    if path.is_dir() and (path.name.endswith(STATE) or path.parent.name.endswith(STATE)):
        return path
    stem = stem_of(path.name)
    if stem is not None and path.with_name(stem + STATE).is_dir():
        return path.with_name(stem + STATE)
    raise ExphilError(
        f'--resume {wanted}: there is no such state; give a folder that ends in {STATE}, or "{LAST}"'
    )


def _place(state: Path) -> tuple[Path, str]:
    """The checkpoints folder that `state` stands in, and its run's stem."""
    full = (state if state.name.endswith(STATE) else state.parent).absolute()
    for folder in full.parents:
        if (folder / FILE).is_file():
            return folder, full.relative_to(folder).as_posix().removesuffix(STATE)
    raise ExphilError(f"{state}: not in a checkpoints folder (there is no {FILE} above it)")


def _refused(given: Mapping[str, Any], begun: Mapping[str, Any]) -> list[str]:
    """What is given anew, differs, and would change the result."""
    return [
        f"{name}: {_jsonable(value)!r} would change the result of a run that was begun with {begun[name]!r}; leave "
        "it out, or start a fine-tune with --from-checkpoint"
        for name, value in given.items()
        if name not in FREE and name in begun and _jsonable(value) != begun[name]
    ]


def _jsonable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
