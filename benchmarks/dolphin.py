"""How long a frame of Dolphin takes, from its arrival in libmelee to the flush of the controller pipe.

    python benchmarks/dolphin.py game.slp --backbone gru --hidden-sizes 256,256

A fake Dolphin serves the replay at 60 frames a second to the real libmelee; the network has random weights, which
cost what trained ones cost. Two figures: what the player measures itself (observation, network, commands), and what
Dolphin sees (from sending a frame to the flush that answers it: libmelee's two processes as well). Processor time a
frame is what the player's own process used, so that a busy machine doesn't count.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exphil_core.features.schema import observation_schema
from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.controller import PARTS
from exphil_core.serving.dolphin.log import SessionLog
from exphil_core.serving.dolphin.session import play_session
from exphil_core.serving.dolphin.settings import DolphinSettings
from exphil_core.serving.runner import Runner
from exphil_core.testing.fake_dolphin import FakeDolphin, install, read_log
from exphil_core.training.interrupts import StopRequest

HEADER = b"GALE01\0\2" + bytes(20) + b"\xc2\x33\x9f\x3d" + bytes(32)


def random_runner(manager: PluginManager, backbone: str, hidden: tuple[int, ...]) -> Runner:
    schema = observation_schema([])
    policy = build_policy(manager, policy_shape(backbone, hidden, {}, schema)).eval()
    about = {
        "observation": schema.as_json(),
        "controller": {"parts": list(PARTS)},
        "delay": 0,
        "character": None,
    }
    return Runner(policy, about, manager)


def measured(runner: Runner, replay: Path, rate: float, frames: int | None, folder: Path) -> dict[str, Any]:
    wanted = FakeDolphin(replay=replay, log=folder / "fake.jsonl", rate=rate, frames=frames, skip_menus=True)
    (folder / "melee.iso").write_bytes(HEADER)
    settings = DolphinSettings(
        dolphin=install(folder, wanted),
        iso=folder / "melee.iso",
        character=CHARACTERS["mewtwo"],
        opponent_character=CHARACTERS["fox"],
        stage=STAGES["battlefield"],
        cpu=9,
        session=folder / "session",
        games=1,
    )
    used = time.process_time()
    outcome = play_session(settings, runner, SessionLog(settings.session), StopRequest(), print)
    used = time.process_time() - used
    answered: dict[int, float] = {}
    for line in read_log(wanted.log):
        if line["what"] == "flush" and line["port"] == 1 and isinstance(line["after"], int):
            answered.setdefault(line["after"], line["ms"])
    seen = np.array(list(answered.values()))
    p50, p99 = np.percentile(seen, [50, 99])
    return {
        "player": outcome.latencies.summary(),
        "dolphin": {"p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": float(seen.max())},
        "answered": len(seen),
        "processor_ms_a_frame": round(1000 * used / max(len(outcome.latencies), 1), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("replay", type=Path, help="of two players at ports 1 and 2")
    parser.add_argument("--backbone", default="gru")
    parser.add_argument("--hidden-sizes", default="256,256")
    parser.add_argument("--rate", type=float, default=60.0, help="frames a second; 0: as fast as it goes")
    parser.add_argument("--frames", type=int, help="[the whole game]")
    parser.add_argument("--core", type=int, help="pin everything to this core")
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})  # whatever is started from here on, too
    torch.set_num_threads(1)
    hidden = tuple(int(size) for size in given.hidden_sizes.split(","))
    runner = random_runner(load_plugins(), given.backbone, hidden)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(runner, given.replay, given.rate, given.frames, Path(folder))
    print(json.dumps({"backbone": given.backbone, "hidden": given.hidden_sizes, "core": given.core, **found}))


if __name__ == "__main__":
    main()
