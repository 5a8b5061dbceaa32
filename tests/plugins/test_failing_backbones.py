"""A plugin's network that fails costs its user one line, whatever was at work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exphil_core.cli.main import run as exphil

# Each a line of the backbone below, and what is said of it.
FAULTS = {
    "forward": ("raise KeyError('no such frame')", "KeyError: 'no such frame'"),
    "a wrong shape": ("return x[:, :, :3] @ self.net.weight, state", "RuntimeError: "),
    "no state": ("return self.net(x)", "ValueError: "),
    "too narrow": ("return self.net(x)[..., :4], state", "RuntimeError: "),
}
PLUGIN = """
import torch
from exphil_core import BackboneSpec, hookimpl
from exphil_core.models.backbones.base import Backbone

class Shaky(Backbone):
    def __init__(self, width, hidden, options):
        super().__init__()
        self.net = torch.nn.Linear(width, 8)
        self.output_size = 8
    def initial_state(self, batch, device):
        return (torch.zeros(batch, 1, device=device),)
    def forward(self, x, state):
        {line}

@hookimpl
def exphil_backbones():
    return [BackboneSpec(name="shaky", factory="shaky_plugin:Shaky", temporal=True)]
"""


@pytest.fixture(params=FAULTS)
def said(request: pytest.FixtureRequest, install: Callable[..., str]) -> str:
    """Installs the plugin; what is said of its fault."""
    line, reason = FAULTS[request.param]
    install("shaky-plugin", PLUGIN.format(line=line))
    sys.modules.pop("shaky_plugin", None)
    return reason


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--window-size", "130"]], ids=["run", "dry", "long"])
def test_a_backbone_that_fails_is_named_with_its_plugin(
    said: str, more: list[str], demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = tmp_path / "checkpoints"
    words = ["--backbone", "shaky", "--hidden-sizes", "8", "--progress", "none", "--max-steps", "2"]
    status = exphil(
        ["train", "--replays", str(demo_folder), "--checkpoints", str(checkpoints), *words, *more]
    )
    assert status == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"exphil: plugin shaky-plugin 1.0: backbone shaky failed ({said}")
    assert "take another --backbone" in line
    assert not checkpoints.exists() or not [
        *checkpoints.rglob("*.safetensors"),
        *checkpoints.rglob("*.jsonl"),
    ]


LATER = """import os
        if "SHAKY" in os.environ:
            raise KeyError("not any more")
        return self.net(x), state"""


@pytest.mark.parametrize("command", ["eval", "play"])
def test_a_backbone_that_fails_once_it_is_trained_is_named_too(
    command: str,
    install: Callable[..., str],
    demo_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("shaky-plugin", PLUGIN.format(line=LATER))
    sys.modules.pop("shaky_plugin", None)
    where = ["--checkpoints", str(tmp_path / "checkpoints")]
    words = ["--backbone", "shaky", "--hidden-sizes", "8", "--progress", "none", "--max-steps", "2"]
    assert exphil(["train", "--replays", str(demo_folder), *where, *words]) == 0
    monkeypatch.setenv("SHAKY", "1")
    more = {"eval": ["--replays", str(demo_folder)], "play": ["--sandbox", "--games", "1"]}[command]
    capsys.readouterr()
    assert exphil([command, "shaky", *where, *more]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "backbone shaky failed (KeyError: 'not any more')" in line]) == 1
    assert not any("Traceback" in line for line in said)
