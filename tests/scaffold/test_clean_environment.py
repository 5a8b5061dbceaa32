"""One generated plugin of each hook through its whole life in an environment of its own: written by the installed
`exphil`, built as a wheel, installed, tested, listed, broken in five ways, uninstalled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exphil_core.plugin_manager import HOOKS

pytestmark = pytest.mark.all_only

NAMES = {
    "exphil_backbones": ("exphil-backbone-leaky", "leaky"),
    "exphil_presets": ("exphil-char-falco", "falco"),
    "exphil_character_features": ("exphil-char-marth", "marth"),
    "exphil_naming_schemes": ("exphil-naming-dated", "dated"),
    "exphil_pruning_strategies": ("exphil-prune-each", "each"),
    "exphil_loggers": ("exphil-log-diary", "diary"),
    "exphil_exporters": ("exphil-export-card", "card"),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_of_each_hook(hook: str, environment: Any, breakages: Any, tmp_path: Path) -> None:
    distribution, name = NAMES[hook]
    environment.plugins = distribution
    environment.run("exphil", "plugins", "new", distribution, "--hook", hook, "--dir", tmp_path)
    folder = tmp_path / distribution
    environment.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", tmp_path, folder)
    (wheel,) = tmp_path.glob("*.whl")

    out, _ = environment.run("exphil", "plugins", "install", wheel)
    assert out.splitlines()[-2:] == [
        f"{distribution} 0.1.0 registers: {HOOKS[hook][0]} {name}",
        "note: EXPHIL_PLUGINS is set, so only the distributions in it are loaded",
    ]
    out, _ = environment.run("python", "-m", "pytest", "-q", "-W", "error", cwd=folder)
    assert "passed" in out
    listed = json.loads(environment.run("exphil", "plugins", "list", "--json")[0])
    found = [(r["hook"], r["name"]) for r in listed["registered"] if r["distribution"] == distribution]
    assert (found, listed["problems"]) == ([(hook, name)], [])
    assert environment.run("exphil", "plugins", "check")[0].startswith("2 distributions, no problems")

    installed = environment.purelib / distribution.replace("-", "_") / "plugin.py"
    sound = installed.read_text()
    for breakage in breakages:
        reason = breakage.apply(installed, hook)
        out, err = environment.run("exphil", "plugins", "check", "--json", status=1)
        (problem,) = json.loads(out)
        told = (problem["distribution"], problem["phase"], problem["reason"])
        assert told == (distribution, breakage.phase, reason), breakage.name
        assert err == ""
        out, err = environment.run("exphil", "presets", "list")
        assert err.startswith(f"exphil: plugin {distribution}: {reason}")
        assert "quick" in out
        installed.write_text(sound)

    installed.write_text("import os\nos._exit(9)\n")
    environment.run("exphil", "presets", "list", status=9)
    environment.run("exphil", "plugins", "uninstall", distribution)
    assert not installed.exists()
    told = environment.run("exphil", "plugins", "check", status=1)[0]
    assert f"{distribution} (load)" in told
    assert "EXPHIL_PLUGINS names it, but it has no plugin installed here" in told
    environment.run("exphil", "plugins", "uninstall", distribution, status=2)


def test_all_hooks_in_one_pass_mypy_strict_too(environment: Any, tmp_path: Path) -> None:
    hooks = [part for hook in HOOKS for part in ("--hook", hook)]
    environment.run("exphil", "plugins", "new", "exphil-char-falco", *hooks, "--dir", tmp_path)
    folder = tmp_path / "exphil-char-falco"
    for command in (
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--check", "--no-cache", "."),
        ("mypy", "--strict", "--cache-dir", tmp_path / "cache", "src", "tests"),
    ):
        environment.run("python", "-m", *command, cwd=folder)


def test_what_pip_cannot_install_is_status_1(environment: Any) -> None:
    _, err = environment.run("exphil", "plugins", "install", "./of-nobody.whl", status=1)
    assert err.splitlines()[-1] == "exphil: pip failed (exit status 1); its output says why"
