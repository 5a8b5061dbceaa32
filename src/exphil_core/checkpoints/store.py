"""A model's tensors on disk: weights alone, and a policy that is all one needs to play.

Both are plain safetensors: no pickle, nothing in them is ever executed. The policy's metadata has one key, since
several give different bytes on each save.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.checkpoints.needs import BACKBONE, distributions_of, needed, needed_features
from exphil_core.errors import ExphilError
from exphil_core.features.schema import ObservationSchema, require_schema
from exphil_core.models.policy import Policy, PolicyShape, build_policy, completed
from exphil_core.options import field_types
from exphil_core.plugin_manager import PluginManager
from exphil_core.strict import check_kinds
from exphil_core.wording import one_line

METADATA_KEY = "exphil"
FORMAT = 2
# Frames of reaction: settings allow 30, and far more would only be a slip or damage.
_DELAYS = range(1001)
_OPTIONAL: Mapping[str, Any] = {
    "character": str | None,
    "characters": tuple[str, ...],
    "plugins": dict[str, dict[str, dict[str, str]]],
    "total_epochs": int,
}


def _cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def save_weights(path: Path, policy: Policy) -> str:
    """Write the policy's tensors to `path`, atomically. Returns the file's SHA-256."""
    return _write(path, save(_cpu(policy.state_dict())))


def save_policy(path: Path, policy: Policy, description: Mapping[str, Any]) -> str:
    """Write a self-contained policy: tensors, shape, and `description` (schema, codec, delay and so on).

    Returns the file's SHA-256.
    """
    content = {"format": FORMAT, "shape": attrs.asdict(policy.shape), **description}
    metadata = {METADATA_KEY: json.dumps(content, sort_keys=True)}
    return _write(path, save(_cpu(policy.state_dict()), metadata))


def _write(path: Path, data: bytes) -> str:
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read_description(path: Path) -> dict[str, Any]:
    """What a policy file says of itself. Raises ExphilError for anything that isn't one."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ExphilError(f"{path}: damaged or no safetensors file ({error})") from None
    try:
        description: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        version = description["format"]
    except (KeyError, ValueError, TypeError):
        raise ExphilError(
            f"{path}: not a policy file; use the one that ends in _policy.safetensors"
        ) from None
    if type(version) is not int:
        raise ExphilError(f"{path}: damaged: of what it says of itself, format is not a whole number")
    if version != FORMAT:
        remedy = "train it anew" if version < FORMAT else "update exphil-core"
        raise ExphilError(
            f"{path}: policy format {version} is not the one that this ExPhil reads ({FORMAT}); {remedy}"
        )
    try:
        _check(description)
    except ValueError as error:
        raise ExphilError(
            f"{path}: damaged: of what it says of itself, {one_line(str(error))}; take another copy of it"
        ) from None
    return description


def _check(description: Mapping[str, Any]) -> None:
    """ValueError names what is missing in a policy's description, or of a kind that can't stand there."""
    table = dict[str, Any]
    check_kinds(description, {"shape": table, "observation": table, "controller": table, "delay": int})
    check_kinds(description, {name: kind for name, kind in _OPTIONAL.items() if name in description})
    check_kinds(description["shape"], field_types(PolicyShape), "shape.")
    check_kinds(description["observation"], {"features": tuple[str, ...]}, "observation.")
    check_kinds(description["controller"], {"parts": tuple[str, ...]}, "controller.")
    for names in description.get("plugins", {}).values():
        for name, made in names.items():
            check_kinds(made, {"distribution": str, "version": str}, f"plugins {name}: ")
    if description["delay"] not in _DELAYS:
        raise ValueError(f"delay is {description['delay']} frames")


def load_policy(
    path: Path, manager: PluginManager, schema: ObservationSchema | None = None
) -> tuple[Policy, dict[str, Any]]:
    """The policy at `path`, ready to play, and what it says of itself.

    Raises ExphilError if it wasn't trained on observations of `schema` (if that is given), or if it needs a plugin
    that isn't there.
    """
    description = read_description(path)
    if schema is not None:
        require_schema(description["observation"], schema, path.name)
    shape = dict(description["shape"])
    shape["hidden_sizes"] = tuple(shape["hidden_sizes"])
    shape["ids"] = tuple(tuple(column) for column in shape["ids"])
    try:
        needed(description, BACKBONE, shape["backbone"], manager)
        needed_features(description, manager)
    except ExphilError as error:
        raise type(error)(f"{path.name}: {error}") from None
    try:
        policy = build_policy(manager, PolicyShape(**shape))
        policy.load_state_dict(completed(policy, load(path.read_bytes())))
    except (TypeError, ValueError, IndexError, RuntimeError, SafetensorError) as error:
        made = ", ".join(f"{name} {version}" for name, version in distributions_of(description).items())
        raise ExphilError(
            f"{path}: its tensors are not those of the {one_line(shape['backbone'])} that it says it is: it is "
            f"damaged, or was made with other versions than those here ({made or 'it names none'}): "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    odd = [name for name, tensor in policy.state_dict().items() if not tensor.isfinite().all()]
    if odd:
        raise ExphilError(f"{path}: damaged: its weights {odd[0]} are not finite numbers")
    policy.description = description
    return policy.eval(), description
