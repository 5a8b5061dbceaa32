"""Fills the templates: a plan of files first, then all of them at once.

`templates/` has the files of every plugin; in a folder for each hook, `spec.py` goes into the plugin's module,
`readme.md` into its README, `test_….py` into `tests/` and everything else into the package.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template

from exphil_core import __version__
from exphil_core.errors import UsageError
from exphil_core.hookspecs import CONTRACT_VERSION
from exphil_core.plugin_manager import HOOKS, PluginManager
from exphil_core.scaffold.names import PluginNames

ENDING = ".tmpl"
SPEC, README = "spec.py", "readme.md"
LINE_LENGTH = 110

# What `plugin.py` imports for a hook: from exphil_core, and from the new package itself.
IMPORTS: Mapping[str, tuple[str, ...]] = {
    "exphil_backbones": ("BackboneSpec",),
    "exphil_presets": ("PresetSpec",),
    "exphil_character_features": ("CharacterFeatureSpec", "FeatureColumn"),
    "exphil_naming_schemes": ("NamingSchemeSpec",),
    "exphil_pruning_strategies": ("PruningStrategySpec",),
    "exphil_loggers": ("LoggerSpec",),
    "exphil_exporters": ("ExporterSpec",),
}
OWN_IMPORTS: Mapping[str, str] = {
    "exphil_backbones": "from $package.backbone_options import LeakyOptions",
    "exphil_pruning_strategies": "from $package.pruning_options import PerCharacterOptions",
}
# What the generated code needs at run time beside exphil-core.
DEPENDENCIES: Mapping[str, tuple[str, ...]] = {
    "exphil_backbones": ("attrs", "torch"),
    "exphil_character_features": ("numpy",),
    "exphil_pruning_strategies": ("attrs",),
}


def claim_free(manager: PluginManager, names: PluginNames, hooks: Sequence[str]) -> None:
    """Raise UsageError if something registered already has the name that the plugin would add."""
    for hook in hooks:
        kind = HOOKS[hook][0]
        taken = {
            name: entry.origin.distribution
            for entry in manager.registered(hook)
            for name in (entry.spec.name, *getattr(entry.spec, "aliases", ()))
        }
        if names.name in taken:
            raise UsageError(
                f'{kind} "{names.name}" comes with {taken[names.name]} already; choose another name than '
                f"{names.distribution}"
            )


def plan_plugin(names: PluginNames, hooks: Sequence[str]) -> dict[str, str]:
    """The distribution's files: relative POSIX path to content. `hooks` are full names, at least one."""
    chosen = [hook for hook in HOOKS if hook in hooks]
    values = _values(names, chosen)
    package = f"src/{names.package}"
    files = {
        "pyproject.toml": _fill("pyproject.toml", values),
        "README.md": _fill("README.md", values),
        ".gitignore": _fill("gitignore", values),
        f"{package}/__init__.py": _fill("__init__.py", values),
        f"{package}/py.typed": "",
        f"{package}/plugin.py": _fill("plugin.py", values),
        "tests/test_plugin.py": _fill("test_plugin.py", values),
    }
    for hook in chosen:
        for name in _names(hook):
            if name not in (SPEC, README):
                folder = "tests" if name.startswith("test_") else package
                files[f"{folder}/{name}"] = _fill(f"{_folder(hook)}/{name}", values)
    return files


def write_plugin(folder: Path, files: Mapping[str, str]) -> None:
    """Write `files` as the new `folder`, whole or not at all. Raises UsageError if it exists."""
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists already; choose another name or --dir")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    unfinished.mkdir()
    try:
        for name, content in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _values(names: PluginNames, hooks: Sequence[str]) -> dict[str, str]:
    character = names.character
    values = {
        "distribution": names.distribution,
        "package": names.package,
        "name": names.name,
        "version": __version__,
        "contract": str(CONTRACT_VERSION),
        "character": character.name if character else "fox",
        "title": character.title if character else "Fox",
        "other": "kirby" if character is None or character.name != "kirby" else "fox",
        "hooks": ", ".join(HOOKS[hook][0] for hook in hooks),
        "dependencies": _dependencies(hooks),
        "preset": _preset(names, "exphil_character_features" in hooks),
    }
    fragments = {
        "imports": _imports(hooks, values),
        "specs": "\n\n".join(_fill(f"{_folder(hook)}/{SPEC}", values) for hook in hooks),
        "parts": "\n".join(_fill(f"{_folder(hook)}/{README}", values) for hook in hooks),
    }
    return {**values, **{key: text.rstrip("\n") for key, text in fragments.items()}}


def _imports(hooks: Sequence[str], values: Mapping[str, str]) -> str:
    """The imports of the plugin's module as ruff formats them."""
    imported = [*sorted({name for hook in hooks for name in IMPORTS[hook]}), "hookimpl"]
    line = f"from exphil_core import {', '.join(imported)}"
    if len(line) > LINE_LENGTH:
        line = "from exphil_core import (\n" + "".join(f"    {name},\n" for name in imported) + ")"
    own = [Template(OWN_IMPORTS[hook]).substitute(values) for hook in hooks if hook in OWN_IMPORTS]
    return "\n".join([line, "", *own])


def _dependencies(hooks: Sequence[str]) -> str:
    needed = sorted({name for hook in hooks for name in DEPENDENCIES.get(hook, ())})
    return ", ".join(f'"{name}"' for name in (f"exphil-core>={__version__}", *needed))


def _preset(names: PluginNames, with_feature: bool) -> str:
    """The preset's settings: those of a character build on `full`, others on `standard`."""
    lines = []
    if names.character is None:
        lines += ['base="standard",', 'overrides={"hidden_sizes": (96, 96)},']
    else:
        lines += ['base="full",', f'character="{names.character.name}",', 'overrides={"window_size": 75},']
    if with_feature:
        lines.append(f'features=("{names.name}",),')
    return "\n".join(f"            {line}" for line in lines)


def _folder(hook: str) -> str:
    return hook.removeprefix("exphil_")


def _names(hook: str) -> list[str]:
    folder = resources.files(__package__) / "templates" / _folder(hook)
    return sorted(item.name.removesuffix(ENDING) for item in folder.iterdir() if item.name.endswith(ENDING))


def _fill(name: str, values: Mapping[str, str]) -> str:
    path = resources.files(__package__) / "templates" / f"{name}{ENDING}"
    return Template(path.read_text(encoding="utf-8")).substitute(values)
