"""How long a UMI bot takes to answer, for one game and for 128, with full-size policies of each backbone.

    python benchmarks/serving.py bench-serving.json

Frames are those of the league's conformance test (six real games, looped), the network has random weights, which cost
what trained ones cost. A reply is everything but the socket: UMI's frames to observations, the network, the draw, the
controller rows. Processor time of all threads stands beside wall-clock time, so that a busy machine shows. Character
features are measured with one backbone, as they cost the same with each, and with one fighter of each game being of a
character that they suit.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from exphil_core.checkpoints.store import save_policy
from exphil_core.features.schema import observation_schema
from exphil_core.kernels.library import kernel_variant
from exphil_core.melee.characters import BY_NAME
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.controller import PARTS
from exphil_core.serving.umi_player import UmiPlayer

BACKBONES = ("lstm", "gru", "mamba", "sliding_window", "hybrid")
FEATURES = ("teleport,shadow-ball", "item-tracking", "spacing", "hammer", "dual-character")
GAMES = (1, 128)
WARM_UP = 30


def policy_file(manager: PluginManager, folder: Path, backbone: str, features: tuple[str, ...]) -> Path:
    specs = [manager.get("exphil_character_features", name).spec for name in features]
    schema = observation_schema(specs)
    torch.manual_seed(0)
    policy = build_policy(manager, policy_shape(backbone, (256, 256), {}, schema)).eval()
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.02)
    about = {"observation": schema.as_json(), "controller": {"parts": list(PARTS)}, "delay": 18}
    path = folder / f"{backbone}_policy.safetensors"
    save_policy(path, policy, about)
    return path


def with_character(manager: PluginManager, streams: np.ndarray, features: tuple[str, ...]) -> np.ndarray:
    """The same frames, the first fighter being of the first character that the first of `features` suits."""
    if not features:
        return streams
    spec = manager.get("exphil_character_features", features[0]).spec
    changed: np.ndarray = streams.copy()
    changed["players"]["character"][..., 0] = BY_NAME[spec.characters[0]].internal
    return changed


def replies(path: Path, streams: np.ndarray, games: int, frames: int) -> dict[str, float]:
    """Milliseconds of a reply to `games` games, over so many frames after a warm-up."""
    player = UmiPlayer(path, SimpleNamespace(num_slots=games + 1, rng_seed=0))
    wall, processor = [], []
    for at in range(WARM_UP + frames):
        batch: Any = SimpleNamespace(
            frames=streams[np.arange(games) % len(streams), at % streams.shape[1]],
            slots=np.arange(games),
            first=np.full(games, at == 0),
            warmup=False,
        )
        began, used = time.perf_counter(), time.process_time()
        player.act(batch)
        wall.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.process_time() - used))
        # Frames come with time between them; a process of real-time priority that takes none of it is halted.
        time.sleep(wall[-1] / 8000)
    kept = {"wall": wall[WARM_UP:], "processor": processor[WARM_UP:]}
    return {
        f"{name} {label}": round(float(np.percentile(values, share)), 2)
        for name, values in kept.items()
        for label, share in (("p50", 50), ("p99", 99))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--no-features", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    manager, found = load_plugins(), []
    with resources.files("umi.conform").joinpath("fixtures.npz").open("rb") as file:
        streams = np.load(file)["frames"][:, :, 0]
    work = [(backbone, "") for backbone in BACKBONES]
    work += [] if given.no_features else [("gru", names) for names in FEATURES]
    with tempfile.TemporaryDirectory() as folder:
        for backbone, names in work:
            features = tuple(names.split(",")) if names else ()
            path = policy_file(manager, Path(folder), backbone, features)
            seen = with_character(manager, streams, features)
            for games in GAMES:
                frames = given.frames // 4 if names else given.frames
                figures = replies(path, seen, games, frames)
                found.append({"backbone": backbone, "features": names, "games": games, **figures})
                print(json.dumps(found[-1]), flush=True)
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "threads": given.threads,
        "load": os.getloadavg()[0],
        "kernel": kernel_variant(),
        "torch": torch.__version__,
    }
    given.out.write_text(json.dumps({"machine": machine, "replies": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
