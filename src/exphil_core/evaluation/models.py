"""Models to be judged: found, loaded, and what is known of the games that they were trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from exphil_core.checkpoints.config_file import read_document
from exphil_core.checkpoints.files import POLICY, stem_of
from exphil_core.checkpoints.find_model import find_policy
from exphil_core.checkpoints.needs import needed_features
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.store import load_policy, read_description
from exphil_core.errors import ExphilError, UnknownName
from exphil_core.evaluation.report import ModelFacts
from exphil_core.features.character import ActiveFeature, active_features
from exphil_core.features.schema import observation_schema, require_schema
from exphil_core.models.policy import Policy, build_policy, completed, parameter_count, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.sources import expanded
from exphil_core.training.checkpoint import Checkpoint, find_checkpoint, hashes_in

Warn = Callable[[str], None]
_Loaded = tuple[Policy, tuple[ActiveFeature, ...], int]
# Settings that say what a network without a policy file is.
_NEEDED = ("backbone", "hidden_sizes", "backbone_options", "head", "delay", "features")


@attrs.frozen(kw_only=True, eq=False)
class EvalModel:
    """A model ready to be judged. Games are None where nothing says which they were."""

    facts: ModelFacts
    policy: Policy
    features: tuple[ActiveFeature, ...]
    rollback: str | None
    trained_on: frozenset[str] | None  # hashes of games, its ancestors' included
    held_out_games: frozenset[str] | None
    held_out_sides: frozenset[str] | None  # HASH:FIGHTER:ROLLBACK


def open_model(wanted: str, checkpoints: str, manager: PluginManager, warn: Warn) -> EvalModel:
    """The model `wanted`: an id (or its beginning) in the folder `checkpoints`, or a path to any of its files.

    Raises ExphilError where there is none, where its plugins are missing, or if it sees other observations than this
    ExPhil makes.
    """
    found = find_checkpoint(wanted, checkpoints, flag="")
    source = found.tensors_from
    file = source.with_name(f"{stem_of(source.name) or source.name}{POLICY}")
    if file.is_file():
        loaded = _from_policy(find_policy(str(file), Path(checkpoints)), manager)
    else:
        loaded = _from_weights(found, wanted, manager)
    policy, features, delay = loaded
    return EvalModel(
        facts=ModelFacts(
            id=found.parent.id,
            file=str(file if file.is_file() else source),
            backbone=policy.shape.backbone,
            hidden_sizes=tuple(policy.shape.hidden_sizes),
            parameters=parameter_count(policy),
            delay=delay,
            character=found.config.get("character", policy.description.get("character")),
            features=tuple(feature.entry.spec.name for feature in features),
            epochs=found.parent.epochs,
            registered_val_loss=found.val_loss,
        ),
        policy=policy,
        features=features,
        rollback=found.config.get("rollback"),
        trained_on=_trained_on(found, checkpoints, warn),
        held_out_games=found.held_out_games,
        held_out_sides=found.held_out_sides,
    )


def _from_policy(file: Path, manager: PluginManager) -> _Loaded:
    description = read_description(file)
    try:
        features = needed_features(description, manager)
    except ExphilError as error:
        raise type(error)(f"{file.name}: {error}") from None
    schema = observation_schema([feature.entry.spec for feature in features])
    return load_policy(file, manager, schema)[0], features, int(description["delay"])


def _from_weights(found: Checkpoint, wanted: str, manager: PluginManager) -> _Loaded:
    """The policy of weights, or of a state, that have no policy file beside them."""
    settings = found.settings
    if missing := [name for name in _NEEDED if name not in settings]:
        raise ExphilError(
            f"{wanted}: it has no policy file, and its config file doesn't say what it is: {', '.join(missing)}"
        )
    features = active_features(manager, settings["features"])
    schema = observation_schema([feature.entry.spec for feature in features])
    require_schema(found.observation, schema, found.parent.id)
    backbone, widths, options = (settings[name] for name in ("backbone", "hidden_sizes", "backbone_options"))
    shape = policy_shape(backbone, widths, options, schema, settings["head"])
    policy = build_policy(manager, shape)
    try:
        policy.load_state_dict(completed(policy, found.tensors()))
    except (RuntimeError, OSError) as error:
        raise ExphilError(f"{found.tensors_from}: not the weights of {found.parent.id} ({error})") from error
    return policy.eval(), features, int(settings["delay"])


def _trained_on(found: Checkpoint, checkpoints: str, warn: Warn) -> frozenset[str] | None:
    """Games that the model and those that it descends from were trained on; None if its files don't say."""
    if not found.games_known:
        return None
    games, registry, parent = (
        set(found.trained_on),
        Registry(expanded(checkpoints), warn),
        found.descends_from,
    )
    seen = {found.parent.id}
    while parent is not None and parent not in seen:
        seen.add(parent)
        try:
            entry = registry.get(parent)
            document = read_document(registry.folder, entry.config_path)
        except (UnknownName, ExphilError, OSError):
            warn(
                f"warning: {found.parent.id} descends from {parent}, which is not in {registry.folder}: it is not "
                "known which games that was trained on"
            )
            break
        games |= hashes_in(document.get("data", {}), "training_games", entry.config_path) or set()
        parent = entry.parent_model
    return frozenset(games)
