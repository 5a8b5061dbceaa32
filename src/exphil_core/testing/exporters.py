"""The conformance suite of exporters."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from exphil_core.checkpoints.needs import BACKBONE, plugins_json
from exphil_core.checkpoints.store import load_policy, save_policy
from exphil_core.config.extras import not_installed
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager, Registered, load_plugins
from exphil_core.replays.controller import PARTS
from exphil_core.specs import ExporterSpec
from exphil_core.testing.subject import checked_options, claim, factory_of, find, said

HOOK = "exphil_exporters"
NAME = "gru_20260119_123456"
BACKBONES = ("gru", "mlp")


def check_exporter(
    exporter: ExporterSpec | str,
    *,
    options: Mapping[str, Any] | None = None,
    manager: PluginManager | None = None,
) -> None:
    """Check an exporter: what it needs is installed, its options check themselves, and it writes small policies, one
    with memory and one without, whole into an empty folder and nowhere else. It changes neither policy nor model
    file, gives lines of text, and writes the same files for the same model.

    `options` sets what should differ from the defaults, or has none.
    """
    entry = find(HOOK, exporter, manager)
    spec: ExporterSpec = entry.spec
    who = f"exporter {spec.name}"
    absent = not_installed(spec)
    claim(not absent, absent)
    chosen = checked_options(who, spec.options, options or {})
    factory = factory_of(who, spec.factory)

    def make() -> Any:
        try:
            made = factory() if spec.options is None else factory(chosen)
        except Exception as error:
            raise AssertionError(f"{who}: its factory raised {said(error)}") from error
        claim(callable(getattr(made, "export", None)), f"{who}: what its factory gives has no export(…)")
        return made

    plugins = manager or load_plugins()
    for backbone in BACKBONES:
        with tempfile.TemporaryDirectory() as at:
            model = small_model(Path(at), plugins, backbone)
            first = _written(who, make(), model, Path(at) / "first")
            again = _written(who, make(), model, Path(at) / "again")
            differing = sorted(dict(first.items() ^ again.items()))
            claim(not differing, f"{who}: the same model gives other files ({', '.join(differing[:3])})")
            outside = {path.name for path in Path(at).iterdir()} - {"first", "again", model.path.name}
            claim(not outside, f"{who} writes {', '.join(sorted(outside))} beside its folder")


def _written(who: str, exporter: Any, model: ExportedModel, folder: Path) -> dict[str, str]:
    """The files that it wrote, and the hashes of their content."""
    folder.mkdir()
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    content = model.path.read_bytes()
    try:
        notes = exporter.export(model, folder)
    except Exception as error:
        raise AssertionError(f"{who}: export raised {said(error)}") from error
    sound = not isinstance(notes, str) and all(isinstance(line, str) for line in notes or ())
    claim(sound, f"{who}: export gives {notes!r}, not lines of text")
    after = model.policy.state_dict()
    same = all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    claim(same and not model.policy.training, f"{who} changes the policy that it is given")
    claim(model.path.read_bytes() == content, f"{who} changes the model's file")
    files = [path for path in folder.rglob("*") if path.is_file()]
    claim(files, f"{who} wrote nothing")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def small_model(folder: Path, manager: PluginManager, backbone: str = "gru") -> ExportedModel:
    """An untrained model with a file of its own in `folder`."""
    schema = observation_schema()
    torch.manual_seed(0)
    policy = build_policy(manager, policy_shape(backbone, (8,), {}, schema)).eval()
    entry: Registered = manager.get(BACKBONE, backbone)
    path = folder / f"{NAME}_policy.safetensors"
    description = {
        "observation": schema.as_json(),
        "controller": {"parts": list(PARTS)},
        "delay": 18,
        "character": None,
        "characters": ["fox", "falco"],
        "plugins": plugins_json([(BACKBONE, entry)]),
        "total_epochs": 1,
    }
    save_policy(path, policy, description)
    loaded, told = load_policy(path, manager)
    return ExportedModel(name=NAME, path=path, policy=loaded, description=told, manager=manager)
