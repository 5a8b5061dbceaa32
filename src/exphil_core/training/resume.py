"""Going on with a run: its state found, its configuration taken from there, and what may be given anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from torch import Tensor

from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import STATE
from exphil_core.checkpoints.registry import FILE, Registry
from exphil_core.checkpoints.states import load_state, newest
from exphil_core.config.presets import Layer
from exphil_core.config.resolve import InvalidSettings, ResolvedConfig, resolve
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.sources import expanded
from exphil_core.training.parent import Parent

LAST = "last"
STATE_ORIGIN = "state"
# What can't change the result: where things are, how often they are saved, how long to go on.
FREE = frozenset(
    {
        "replays",
        "cache_dir",
        "checkpoints",
        "epochs",
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
    folder, stem = _place(path)
    begun, done = saved.record["run"], len(saved.record["training"]["history"])
    run = resolve(manager, layers=[Layer(STATE_ORIGIN, begun["config"])], flags=flags)
    problems = _refused(run, begun["config"])
    if run.config.epochs < done:
        problems.append(f"--epochs {run.config.epochs}: the run has done {done} already")
    if problems:
        raise InvalidSettings(problems)
    origins = {
        name: begun["origins"].get(name, origin) if origin == STATE_ORIGIN else origin
        for name, origin in run.origins.items()
    }
    config = attrs.evolve(run.config, checkpoints=str(folder))
    run = attrs.evolve(run, config=config, origins=origins, preset=begun["preset"], warnings=())
    return Resumed(run=run, folder=folder, stem=stem, tensors=saved.tensors, record=saved.record)


def _state_folder(wanted: str) -> Path:
    path = expanded(wanted)
    if path.is_dir() and (path.name.endswith(STATE) or path.parent.name.endswith(STATE)):
        return path
    beside = path.with_name(path.name.removesuffix(".safetensors") + STATE)
    if beside.is_dir():
        return beside
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


def _refused(run: ResolvedConfig, begun: Mapping[str, Any]) -> list[str]:
    """What is given anew, differs, and would change the result."""
    as_begun = attrs.asdict(run.config, value_serializer=lambda *args: _jsonable(args[-1]))
    return [
        f"{name}: {value!r} would change the result of a run that was begun with {begun[name]!r}; leave it out, or "
        "start a fine-tune with --from-checkpoint"
        for name, value in as_begun.items()
        if name not in FREE and name in begun and value != begun[name]
    ]


def _jsonable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
