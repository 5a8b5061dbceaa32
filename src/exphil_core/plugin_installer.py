"""Installs and uninstalls distributions with the pip of this interpreter.

Loads no plugin, so that a broken one can always be removed; what a new one registers is asked of a fresh process.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import attrs

from exphil_core.errors import ExphilError, UsageError, did_you_mean, unknown_name
from exphil_core.plugin_manager import (
    CORE_DISTRIBUTION,
    HOOKS,
    Problem,
    installed_plugins,
    normalise_distribution,
)

Stamp = tuple[str, int]


@attrs.frozen(kw_only=True)
class Arrival:
    """A distribution that was installed: what it registered (kind and name), and what is wrong with it."""

    distribution: str
    version: str
    registered: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]


def install_command(targets: Sequence[str], editable: Sequence[str] = ()) -> list[str]:
    """The pip command that installs `targets`: names, folders, wheels, addresses."""
    _refuse_flags([*targets, *editable])
    if not targets and not editable:
        raise UsageError("nothing to install: give a name, a folder, a wheel or an address")
    return _pip("install", [*targets, *(part for path in editable for part in ("--editable", path))])


def uninstall_command(names: Sequence[str]) -> list[str]:
    """The pip command that uninstalls the plugins `names`. Raises UsageError for what is no plugin's."""
    _refuse_flags(names)
    plugins = installed_plugins()
    wanted = [normalise_distribution(name) for name in names]
    for name in wanted:
        if name == CORE_DISTRIBUTION:
            raise UsageError(f"{name} is ExPhil itself; to remove that: pip uninstall {name}")
        if name not in plugins:
            raise _no_plugin(name, sorted(set(plugins) - {CORE_DISTRIBUTION}))
    return _pip("uninstall", ["--yes", *wanted])


def run_pip(command: Sequence[str]) -> None:
    """Run a pip command; its output goes to the terminal. Raises ExphilError if pip is missing or fails."""
    if importlib.util.find_spec("pip") is None:
        uv = ["uv", "pip", command[3], "--python", sys.executable]
        uv += [part for part in command[4:] if part != "--yes"]
        raise ExphilError(f"{sys.executable} has no pip; try: {shlex.join(uv)}")
    status = subprocess.run(command).returncode
    if status != 0:
        raise ExphilError(f"pip failed (exit status {status}); its output says why")


def stamps() -> dict[str, Stamp]:
    """Version and time of installation of every distribution with plugins."""
    importlib.invalidate_caches()
    return {name: (version, _installed_at(name)) for name, version in installed_plugins().items()}


def arrivals(before: dict[str, Stamp], targets: Sequence[str]) -> list[Arrival]:
    """What was installed since `before`, or was there already and is among `targets`; loads it elsewhere."""
    now = stamps()
    named = {name for target in targets if (name := _named(target)) in now}
    new = sorted(named | {name for name, stamp in now.items() if before.get(name) != stamp})
    if not new:
        return []
    found = _ask_fresh_process(new)
    return [
        Arrival(
            distribution=name,
            version=now[name][0],
            registered=tuple(
                (HOOKS[row["hook"]][0], row["name"])
                for row in found["registered"]
                if row["distribution"] == name
            ),
            problems=tuple(Problem(**p) for p in found["problems"] if p["distribution"] == name),
        )
        for name in new
    ]


def _pip(verb: str, rest: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pip", verb, *rest]


def _refuse_flags(texts: Sequence[str]) -> None:
    for text in texts:
        if text.startswith("-"):
            raise UsageError(f'"{text}" is a flag of pip; for those, run: {sys.executable} -m pip')


def _no_plugin(name: str, plugins: Sequence[str]) -> UsageError:
    try:
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return unknown_name("plugin", name, plugins)
    return UsageError(
        f"{name} is no plugin: it registers nothing with ExPhil{did_you_mean(name, plugins)}; "
        f"to remove it all the same: pip uninstall {name}"
    )


def _installed_at(name: str) -> int:
    """When pip (or uv) wrote the distribution's RECORD, in nanoseconds; 0 where there is none."""
    try:
        for file in distribution(name).files or ():
            if file.name == "RECORD":
                return Path(str(file.locate())).stat().st_mtime_ns
    except Exception:  # damaged metadata must not keep anyone from repairing it
        return 0
    return 0


def _named(target: str) -> str:
    """The distribution that a target names, as far as the text tells: `a>=1`, `dist/a_b-1.0-py3-none-any.whl`."""
    if target.endswith(".whl"):
        return normalise_distribution(Path(target).name.partition("-")[0])
    match = re.match(r"[A-Za-z0-9._-]+", target)
    return normalise_distribution(match[0]) if match else ""


def _ask_fresh_process(names: Sequence[str]) -> Any:
    # A restriction would hide the news.
    environment = {key: value for key, value in os.environ.items() if key != "EXPHIL_PLUGINS"}
    command = [sys.executable, "-m", "exphil_core", "plugins", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    try:
        return json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ExphilError(
            f"{', '.join(names)} is installed, but ExPhil no longer starts with it (exit status "
            f"{done.returncode}: {last}); way out: exphil plugins uninstall {' '.join(names)}"
        ) from None
