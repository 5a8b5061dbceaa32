"""Listings stay light: they import nothing that takes long, whatever plugins are installed."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "numpy", "pyarrow", "cattrs", "rich", "peppi_py", "safetensors", "melee")
COMMANDS = (
    ["--help"],
    ["--version"],
    ["plugins", "list"],
    ["plugins", "check"],
    ["presets", "list"],
    ["presets", "show", "standard"],
    ["backbones", "list"],
    ["characters", "list"],
    ["train", "--help"],
    ["prune", "--help"],
    ["registry", "--help"],
    ["plot", "--help"],
    ["eval", "--help"],
)
# Each command adds to what the ones before it imported, so that the first heavy one is the culprit.
CODE = f"""
import contextlib, io, json, sys
from exphil_core.cli.main import run
found = []
for args in {COMMANDS!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = run(list(args))
    found.append([args, status, len(out.getvalue()), [m for m in {HEAVY!r} if m in sys.modules]])
print(json.dumps(found))
"""


def test_listings_import_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [args for args, *_ in found] == list(COMMANDS)
    assert [(args, heavy) for args, _, _, heavy in found if heavy] == []
    assert [args for args, status, length, _ in found if status != 0 or length == 0] == []
