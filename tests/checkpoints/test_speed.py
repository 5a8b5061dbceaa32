"""Ten thousand models: what users wait for, as whole processes.

Measured in CPU time, which is what they wait for on a machine that has nothing else to do.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from exphil_core.checkpoints.atomic import write_json
from exphil_core.checkpoints.config_file import config_document
from exphil_core.checkpoints.registry_file import registry_text

resource = pytest.importorskip("resource")  # not on Windows

COUNT = 10_000
LIMITS = {"list": 1.0, "leaderboard": 1.0, "tag": 0.5}  # seconds


@pytest.mark.all_only
@pytest.mark.parametrize("command", LIMITS)
def test_ten_thousand_models(folder, fakes, command):
    models = [
        fakes.entry(
            f"{('fox', 'mewtwo')[n % 2]}/mamba_{n:08}",
            {"weights": "0" * 64, "policy": "1" * 64},
            character=("fox", "mewtwo")[n % 2],
            val_loss=n % 977 / 100,
            delay=(0, 18)[n % 3 == 0],
            created_at=f"2026-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00Z",
            tags=("t",) if n % 5 == 0 else (),
        )
        for n in range(COUNT)
    ]
    (folder / "registry.json").write_bytes(registry_text(models))
    (folder / "fox").mkdir()
    write_json(folder / models[0].config_path, config_document(models[0]))
    words = {"tag": ["tag", models[0].id, "new"]}.get(command, [command])
    arguments = [sys.executable, "-m", "exphil_core", "registry", *words, "--checkpoints", str(folder)]
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(took) < LIMITS[command], took
