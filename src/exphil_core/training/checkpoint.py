"""A trained model, found by its id or by any of its files: to start a fine-tune from, or to judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from exphil_core.checkpoints.config_file import entry_of, read_document
from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import CONFIG, POLICY, STATE, WEIGHTS, sibling
from exphil_core.checkpoints.find_model import FoundModel, find_model
from exphil_core.checkpoints.states import load_state
from exphil_core.checkpoints.store import read_description
from exphil_core.checkpoints.verify import file_sha256
from exphil_core.config.presets import Layer
from exphil_core.config.resolve import ResolvedConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.training.parent import Parent
from exphil_core.training.record import check_record
from exphil_core.training.resume import made_sense_of

FINE_TUNE = "fine_tune"
# What decides which weights a model has and what it sees: a fine-tune has its parent's.
INHERITED = (
    "backbone", "hidden_sizes", "backbone_options", "temporal", "window_size", "head", "delay", "features",
)  # fmt: skip


@attrs.frozen(kw_only=True, eq=False)
class Checkpoint:
    """A trained model. `settings` are those of `INHERITED` that its files tell, `config` are all of its run's that
    they do; `games_known` says whether `trained_on` is all of its run's games, and held-out games and sides
    (`HASH:FIGHTER:ROLLBACK`) are None where the files don't say."""

    parent: Parent
    settings: Mapping[str, Any]
    observation: Mapping[str, Any]
    tensors_from: Path
    trained_on: frozenset[str] = frozenset()  # hashes of games, as far as its files tell
    config: Mapping[str, Any] = attrs.field(factory=dict)
    games_known: bool = False
    held_out_games: frozenset[str] | None = None
    held_out_sides: frozenset[str] | None = None
    val_loss: float | None = None
    descends_from: str | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Its weights by the names of `Policy.state_dict`."""
        if self.tensors_from.suffix != STATE and not self.tensors_from.is_dir():
            try:
                return load_file(self.tensors_from)
            except SafetensorError as error:
                raise ExphilError(f"{self.tensors_from}: damaged or no safetensors file ({error})") from None
        saved = load_state(self.tensors_from, warn=lambda line: None).tensors
        prefix = "best." if any(name.startswith("best.") for name in saved) else "weights."
        return {name.removeprefix(prefix): part for name, part in saved.items() if name.startswith(prefix)}

    def layer(self) -> Layer:
        """Its settings and its character, below preset, file and flags."""
        values = dict(self.settings)
        if self.config.get("character"):
            values["character"] = self.config["character"]
        return Layer(f"model {self.parent.id}", values)


def find_checkpoint(wanted: str, checkpoints: str, flag: str = "--from-checkpoint ") -> Checkpoint:
    """The model `wanted`: an id (or its beginning) in the folder `checkpoints`, or a path to any of its files.

    Raises ExphilError where there is none, or too little of it; `flag` stands before the name then.
    """
    found = find_model(wanted, checkpoints, flag)
    if found.entry is not None or found.file(CONFIG).is_file():
        return _of_document(found, read_document(found.folder, sibling(found.stem, CONFIG)))
    if found.file(POLICY).is_file():
        return _of_policy(found.file(POLICY), found.stem)
    if found.file(STATE).is_dir():
        return _of_state(found.file(STATE), found.stem)
    raise ExphilError(
        f"{flag}{wanted}: its {CONFIG}, {POLICY} or {STATE} is needed beside it, which says what it is"
    )


def _of_document(found: FoundModel, document: dict[str, Any]) -> Checkpoint:
    source = str(found.file(CONFIG))
    entry = found.entry or entry_of(document, source)
    config, data, results = (document.get(name, {}) for name in ("config", "data", "results"))
    settings = {name: config[name] for name in INHERITED if name in config}
    if not document.get("observation"):
        raise ExphilError(f"{source}: does not say what the model sees (no observation in it)")
    return Checkpoint(
        parent=Parent(id=entry.id, epochs=entry.total_epochs, training_type=FINE_TUNE),
        settings=settings,
        observation=document["observation"],
        tensors_from=_weights(found, entry),
        trained_on=hashes_in(data, "training_games", source) or frozenset(),
        config=config,
        games_known="training_games" in data,
        held_out_games=hashes_in(results, "validation_games", source),
        held_out_sides=hashes_in(results, "validation_sides", source),
        val_loss=entry.val_loss,
        descends_from=entry.parent_model,
    )


def _weights(found: FoundModel, entry: ModelEntry) -> Path:
    """The file with the model's tensors. Raises ExphilError if its bytes are others than were written."""
    for kind, ending in (("weights", WEIGHTS), ("policy", POLICY)):
        path = found.file(ending)
        if not path.is_file():
            continue
        expected = entry.sha256.get(kind)
        if expected is not None and file_sha256(path) != expected:
            raise ExphilError(f"{path}: damaged: its SHA-256 is not the one in its {CONFIG}")
        return path
    raise ExphilError(f"{found.folder / found.stem}: neither {WEIGHTS} nor {POLICY} is there")


def _of_policy(path: Path, stem: str) -> Checkpoint:
    description = read_description(path)
    shape = description["shape"]
    return Checkpoint(
        parent=Parent(id=stem, epochs=description.get("total_epochs", 0), training_type=FINE_TUNE),
        settings={
            "backbone": shape["backbone"],
            "hidden_sizes": shape["hidden_sizes"],
            "backbone_options": shape["backbone_options"],
            "head": shape["head"],
            "delay": description["delay"],
            "features": description["observation"]["features"],
        },
        observation=description["observation"],
        tensors_from=path,
        config={"character": description.get("character")},
    )


def _of_state(path: Path, stem: str) -> Checkpoint:
    record = load_state(path, warn=lambda line: None).record
    with made_sense_of(path):
        check_record(record)
    before = Parent.from_json(record["run"]["parent"])
    inherited = before.epochs - before.continued if before else 0
    return Checkpoint(
        parent=Parent(
            id=stem, epochs=inherited + len(record["training"]["history"]), training_type=FINE_TUNE
        ),
        settings={name: record["run"]["config"][name] for name in INHERITED},
        observation=record["data"]["observation"],
        tensors_from=path,
        trained_on=frozenset(record["data"]["training_games"]),
        config=record["run"]["config"],
        games_known=True,
        held_out_games=hashes_in(record["data"], "held_out_games", str(path)),
        descends_from=before.id if before else None,
    )


def hashes_in(section: Mapping[str, Any], name: str, source: str) -> frozenset[str] | None:
    """The hashes that the file `source` lists as `name`, or None. Raises ExphilError if that is no list of texts."""
    listed = section.get(name)
    if listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise ExphilError(f"{source}: {name} is not a list of texts")
    return frozenset(listed)


def check_fits(run: ResolvedConfig, checkpoint: Checkpoint) -> None:
    """Refuse, with every difference shown, a run whose model can't have the checkpoint's weights."""
    problems = []
    for name, value in checkpoint.settings.items():
        asked = getattr(run.config, name)
        asked = list(asked) if isinstance(asked, tuple) else asked
        if name == "features":
            problems += _features(value, asked, run)
        elif asked != value and name != "window_size":
            problems.append(
                f"{name}: {asked!r} ({run.origins[name]}), but {checkpoint.parent.id} has {value!r}: leave it out, "
                "or train from the beginning"
            )
    if problems:
        raise UsageError("\n".join(problems))


def refuse_leak(checkpoint: Checkpoint, held_out: Iterable[str]) -> None:
    """Refuse to validate on games that the model was trained on. Which games are held out follows from their
    content, except where so few are given that none would be, or where another share of them is held out."""
    seen = [game for game in held_out if game in checkpoint.trained_on]
    if seen:
        raise UsageError(
            f"{len(seen)} of the games to be held out are games that {checkpoint.parent.id} was trained on, so that "
            "val_loss would say nothing: add replays, or give --validation-fraction as its run had it"
        )


def _features(had: list[str], asked: list[str], run: ResolvedConfig) -> list[str]:
    gone = [name for name in had if name not in asked]
    if gone:
        return [f"features: the model was trained with {', '.join(gone)}: add --features {','.join(had)}"]
    new = [name for name in asked if name not in had]
    if new and not run.config.allow_new_features:
        return [
            f"features: {', '.join(new)} are new to the model; give --allow-new-features to widen its input (its "
            "first outputs stay as they are)"
        ]
    return []
