"""The graph is the policy: onnxruntime, which we didn't write, gives what torch's step gives, frame after frame."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from exphil_core.checkpoints.store import save_policy
from exphil_core.errors import ExphilError
from exphil_core.exporting.export import Exported, export_model
from exphil_core.exporting.onnx import _quietly, write_graph
from exphil_core.exporting.onnx_graph import input_names
from exphil_core.features.encoder import encode
from exphil_core.features.rows import game_rows
from exphil_core.models.draw import draw_controllers
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import CELL_COUNTS, NEUTRAL, PARTS, decode
from exphil_core.replays.game import Game

PolicyMaker = Callable[..., Policy]

BACKBONES = ("gru", "mlp", "lstm", "mamba", "sliding_window", "hybrid")
# An export takes torch 6 to 12 s of computing, whatever the backbone: none in `make test`.
pytestmark = pytest.mark.all_only
FRAMES = 70


def outputs_of(
    policy: Policy, arguments: dict[str, Any]
) -> tuple[np.ndarray, list[np.ndarray], tuple[Any, ...]]:
    """Controllers, logits of each part and the next state by the parts that play: `frame`, and the head."""
    state = arguments["state"]
    y, after = policy.frame(torch.from_numpy(arguments["floats"]), torch.from_numpy(arguments["ids"]), state)
    decided = torch.from_numpy(arguments["decided"])
    uniform = torch.from_numpy(arguments["uniform"].astype(np.float64))
    cells = draw_controllers(
        policy.head._weights_for_drawing(), y, decided, float(arguments["temperature"]), None, uniform
    )
    logits: list[np.ndarray] = []
    policy.head.loss(y, cells, decided, watch=lambda part, values: logits.append(values.numpy()))
    return cells.numpy(), logits, after


@pytest.fixture(scope="module")
def exported(
    made_policy: PolicyMaker, manager: PluginManager, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Policy, Exported]]:
    """A small policy of a backbone, and what became of it."""

    @functools.cache
    def export(backbone: str) -> tuple[Policy, Exported]:
        policy, folder = made_policy(backbone, delay=3, characters=["fox"]), tmp_path_factory.mktemp(backbone)
        save_policy(folder / "x_policy.safetensors", policy, policy.description)
        return policy, export_model(folder / "x_policy.safetensors", "onnx", folder / "graph", {}, manager)

    return export


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_it_equals_torchs_step_while_the_state_is_carried(
    name: str, exported: Callable[[str], tuple[Policy, Exported]], demo_games: list[Game]
) -> None:
    """Over more frames than a window of attention is long; real observations of three games, at any temperature."""
    policy, done = exported(name)
    session = onnxruntime.InferenceSession(
        str(done.folder / "policy.onnx"), providers=["CPUExecutionProvider"]
    )
    games = [encode(game_rows(game, 0)) for game in demo_games[:3]]
    dice, ours = np.random.default_rng(0), policy.initial_state(3)
    theirs = [part.numpy() for part in ours]
    decided, moved = np.tile(NEUTRAL, (3, 1)).astype(np.int64), 0
    for frame in range(FRAMES):
        temperature = (1.0, 0.0, 0.3, 2.5)[frame % 4]
        arguments = {
            "floats": np.stack([game.floats[100 + frame] for game in games]),
            "ids": np.stack([game.ids[100 + frame] for game in games]),
            "decided": decided,
            "uniform": dice.random((3, 6)).astype(np.float32),
            "temperature": np.array(temperature, np.float32),
        }
        got = session.run(None, dict(zip(input_names(ours), [*arguments.values(), *theirs], strict=True)))
        cells, logits, ours = outputs_of(policy, {**arguments, "state": ours})
        np.testing.assert_array_equal(got[0], cells, err_msg=str(frame))
        theirs = got[1 + len(PARTS) :]
        for have, want in zip(got[1:], [*logits, *(part.numpy() for part in ours)], strict=True):
            np.testing.assert_array_less(np.abs(have - want) / np.maximum(1, np.abs(want)), 1e-5)
        moved += int((cells != decided).sum())
        decided = cells
    assert moved > 100


def test_the_folder_is_enough_without_exphil(
    exported: Callable[[str], tuple[Policy, Exported]], tmp_path: Path
) -> None:
    """Its example runs where importing ExPhil or torch fails, and its JSON tells the codec and the columns."""
    policy, done = exported("mlp")
    assert done.files == ("play.py", "policy.json", "policy.onnx")
    assert done.archive is None
    banned = tmp_path / "banned"
    for module in ("torch", "exphil_core"):
        (banned / module).mkdir(parents=True)
        (banned / module / "__init__.py").write_text("raise ImportError('not here')")
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(done.folder / "play.py")],
        env={"PYTHONPATH": str(banned)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 10
    about = json.loads((done.folder / "policy.json").read_text())
    assert (about["delay"], about["characters"], about["model"]) == (3, ["fox"], "x")
    assert [column["name"] for column in about["floats"]] == [
        column["name"] for column in policy.description["observation"]["columns"]
    ]
    stick, shoulder = about["controller"]["stick"], about["controller"]["shoulder"]
    assert (len(stick), len(shoulder)) == (CELL_COUNTS[1], CELL_COUNTS[5])
    values = decode(np.array([[0, 5, 100, 0, 116, 50]], np.uint8))[0]
    np.testing.assert_allclose(
        values[:5], [stick[5], stick[100], stick[0], stick[116], shoulder[50]], atol=1e-6
    )


@pytest.mark.all_only
def test_a_network_that_cannot_be_written_is_named(
    made_policy: PolicyMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = made_policy("mlp")

    def step(x: torch.Tensor, state: Any) -> Any:
        return (x if x.sum().item() > 0 else -x), state

    monkeypatch.setattr(policy.backbone, "step", step)
    with pytest.raises(ExphilError, match="backbone mlp can't be written as ONNX"), _quietly():
        write_graph(policy, tmp_path / "policy.onnx", 18)
