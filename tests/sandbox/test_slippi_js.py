"""slippi-js, the community's own reader, reads sandbox replays to the same values as ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exphil_core.replays.controller import chords_from_slippi, encode
from exphil_core.replays.fighters import canonical_actions, canonical_state
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS, Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays

pytestmark = pytest.mark.all_only

PACKAGE = "@slippi/slippi-js@9.1.2"
DUMP = Path(__file__).parent / "slippi_js_dump.cjs"
CASTS = ("fox,marth,mewtwo", "iceclimbers,falco", "link,younglink", "zelda,gameandwatch,samus")
SECONDS = 300


@pytest.fixture(scope="module")
def slippi_js(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which node finds slippi-js."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed here")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {PACKAGE} in {SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm can't install {PACKAGE}: {done.stderr.strip()[-200:]}")
    return {**os.environ, "NODE_PATH": str(folder / "node_modules")}


def frames_of(path: Path, out: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    subprocess.run(["node", str(DUMP), str(path), str(out)], check=True, timeout=SECONDS, env=environment)
    frames: list[dict[str, Any]] = json.loads(out.read_text())
    return frames


def fighters(rows: list[list[list[float] | None]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, actions and characters (T, P, …) of slippi-js's post-frames, in canonical form."""
    width = len(STATE_COLUMNS)
    absent = [np.nan] * width + [NO_ACTION, 255]
    values = np.array([[absent if side is None else side for side in frame] for frame in rows], np.float64)
    state, action = values[..., :width].astype(np.float32), values[..., width].astype(int)
    action = np.where(action == NO_ACTION, NO_ACTION, canonical_actions(action))
    canonical_state(state, action)
    return state, action, values[..., width + 1]


def assert_same(game: Game, frames: list[dict[str, Any]]) -> int:
    """Every value of the game; how many items and partners were compared."""
    assert [frame["frame"] for frame in frames] == list(range(-123, len(game) - 123))
    state, action, character = fighters([[p["post"] for p in frame["players"]] for frame in frames])
    np.testing.assert_array_equal(game.state_TPF, state)
    np.testing.assert_array_equal(game.action_TP, action)
    np.testing.assert_array_equal(game.character_TP, character)
    pre = np.array([[p["pre"] for p in frame["players"]] for frame in frames])
    chords = chords_from_slippi(pre[..., 0].astype(np.uint16))
    cells = encode(chords, (pre[..., 1], pre[..., 2]), (pre[..., 3], pre[..., 4]), pre[..., 5])
    np.testing.assert_array_equal(game.controller_TPC, cells)
    partners = [[p["partner"] for p in frame["players"]] for frame in frames]
    seen = sum(side is not None for frame in partners for side in frame)
    assert (game.partner_state_TPF is not None) == (seen > 0)
    if game.partner_state_TPF is not None:
        state, action, _ = fighters(partners)
        np.testing.assert_array_equal(game.partner_state_TPF, state)
        np.testing.assert_array_equal(game.partner_action_TP, action)
    return seen + assert_same_items(game, frames)


def assert_same_items(game: Game, frames: list[dict[str, Any]]) -> int:
    ports = [player.port for player in game.info.players]
    owned = [(at, row) for at, frame in enumerate(frames) for row in frame["items"] if row[2] in ports]
    items = game.items
    assert items.frame().tolist() == [at for at, _ in owned]
    if not owned:
        return 0
    table = np.array([row for _, row in owned], np.float64)
    table[:, 2] = [ports.index(port) for port in table[:, 2]]
    table[:, 7] = np.trunc(table[:, 7])
    columns = (
        items.type, items.state, items.owner, items.x, items.y, items.vx, items.vy, items.timer, items.spawn_id,
        items.direction, items.damage, *items.misc.T, items.instance_id,
    )  # fmt: skip
    for index, column in enumerate(columns):
        np.testing.assert_array_equal(
            column.astype(np.float32), table[:, index].astype(np.float32), str(index)
        )
    return len(owned)


def test_slippi_js_reads_the_same_values(tmp_path: Path, slippi_js: dict[str, str]) -> None:
    compared = []
    for number, cast in enumerate(CASTS):
        folder = tmp_path / str(number)
        make_replays(folder, games=3, minutes=0.5, seed=number, characters=cast.split(","))
        for path in sorted(folder.glob("*.slp")):
            frames = frames_of(path, tmp_path / "frames.json", slippi_js)
            compared.append(assert_same(read_game(path), frames))
    assert sum(compared) > 500
