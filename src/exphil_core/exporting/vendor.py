"""Copies of installed distributions that work where nothing is installed: on Python's path, entry points included."""

from __future__ import annotations

import importlib.util
import re
import shutil
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from exphil_core.errors import ExphilError
from exphil_core.hookspecs import GROUP
from exphil_core.plugin_manager import CORE_DISTRIBUTION, normalise_distribution

# What exphil-core itself needs in play; the rest of its requirements read replays and train.
PLAYS_WITH = ("attrs", "cattrs", "numpy", "pluggy", "safetensors", "torch")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*")


def vendor(name: str, into: Path) -> None:
    """Copy the packages of the distribution `name` into the folder `into`, and enough of its metadata for plugins to
    be found there. Raises ExphilError if it isn't installed, or nothing of it can be found."""
    found = _installed(name)
    packages = _packages(found)
    if not packages:
        raise ExphilError(f"{name}: its packages can't be found, so they can't be shipped")
    for package in packages:
        source = _source(package)
        if source is None:
            raise ExphilError(f"{name}: its package {package} can't be found, so it can't be shipped")
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
            shutil.copytree(source, into / package, ignore=ignored)
        else:
            shutil.copy(source, into / source.name)
    _write_metadata(found, name, into)


def requirements(names: list[str]) -> list[str]:
    """Third parties' distributions that those in `names` need in play, each in the version that is installed here."""
    shipped = {normalise_distribution(name) for name in names}
    needed = set(PLAYS_WITH)
    for name in shipped - {CORE_DISTRIBUTION}:
        for line in _installed(name).requires or ():
            found = _REQUIREMENT.match(line)
            if found and "extra ==" not in line:
                needed.add(normalise_distribution(found[0]))
    return [pinned(name) for name in sorted(needed - shipped - {CORE_DISTRIBUTION})]


def pinned(name: str) -> str:
    """``torch==2.13.0`` for the version here; without what a build adds to it (``+cpu``)."""
    return f"{name}=={_installed(name).version.partition('+')[0]}"


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise ExphilError(f"{name} is not installed here, so it can't be shipped") from None


def _packages(found: Distribution) -> list[str]:
    """Top-level modules: an editable installation has no list of its files."""
    listed = (found.read_text("top_level.txt") or "").split()
    entries = [entry.module.partition(".")[0] for entry in found.entry_points if entry.group == GROUP]
    return sorted({*listed, *entries})


def _source(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _write_metadata(found: Distribution, name: str, into: Path) -> None:
    folder = into / f"{name.replace('-', '_')}-{found.version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {found.version}\n", encoding="utf-8"
    )
    lines = [f"{entry.name} = {entry.value}" for entry in found.entry_points if entry.group == GROUP]
    (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]), encoding="utf-8")
