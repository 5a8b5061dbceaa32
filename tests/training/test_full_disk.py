"""Disks that are full, read-only or somebody else's: real ones, of a few hundred kilobytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exphil_core.errors import ExphilError
from exphil_core.training.games import why_incomplete
from exphil_core.training.prepare import check_writable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")

# Run in a mount namespace of its own, whose tmpfs is gone with it: SMALL is that disk, AMPLE any other.
BEGIN = """
import contextlib, io, os, shutil, sys
from pathlib import Path
from exphil_core.checkpoints import states as states_module
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.states import state_problem, states
from exphil_core.cli.main import run as main
from exphil_core.training import run as run_module

replays, small, ample = map(Path, sys.argv[1:])
os.chdir(ample)
TRAIN = ["train", "--replays", str(replays), "--hidden-sizes", "8", "--epochs", "2", "--window-size", "100"]
TRAIN += ["--batch-size", "8", "--max-files", "4", "--seed", "3", "--save-every", "5", "--keep-states", "1"]
CHECKPOINTS = small / "checkpoints"
ballast = small / "ballast"

def exphil(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*words, "--progress", "plain"] if words[0] == "train" else list(words))
    return status, out.getvalue(), "".join(l for l in err.getvalue().splitlines(True) if not l.startswith("  "))

def fill():
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass

def weights(folder):
    (entry,) = Registry(folder).models()
    return entry.sha256["weights"]

saved, tried, real = [], [], states_module.save_state

def save(*args):
    tried.append(args[2]["training"]["steps"])
    if len(tried) == 3:
        fill()
    if len(tried) == space_again:
        ballast.unlink()
    path = real(*args)
    saved.append(tried[-1])
    return path

run_module.save_state = save
space_again = 0
"""

FULL = """
status, _, said = exphil(*TRAIN, "--checkpoints", str(ample / "straight"))
assert status == 0, said
ballast.unlink(missing_ok=True)
expected, total = weights(ample / "straight"), tried[-1]
assert len(tried) > 6, tried

# The disk fills up after two states, and stays full.
tried.clear(); saved.clear()
status, out, said = exphil(*TRAIN, "--checkpoints", str(CHECKPOINTS))
assert status == 1, said
assert saved == [5, 10], (saved, tried, said)
assert tried[-1] == total, tried
assert "Traceback" not in said
assert said.count("can't be saved") == 1, said
assert said.splitlines()[-1].startswith("exphil: the model can't be written: "), said
assert said.splitlines()[-1].endswith("No space left on device"), said
(folder,) = CHECKPOINTS.glob("*.state")
assert [state_problem(state) for state in states(folder)] == [None]
assert f"go on:  exphil train --resume {folder}" in out, out
assert not list(CHECKPOINTS.rglob("*.safetensors.tmp*")) and not list(CHECKPOINTS.glob("*.safetensors"))
assert exphil("registry", "list", "--checkpoints", str(CHECKPOINTS), "--json")[0] == 0
assert Registry(CHECKPOINTS).models() == []

# Without space, going on is refused before anything is trained; with it, the end is that of the other run.
tried.clear()
status, _, said = exphil("train", "--resume", str(folder))
assert status == 1 and "make space, or give another folder" in said and not tried, said
ballast.unlink()
tried.extend("..."); status, _, said = exphil("train", "--resume", str(folder))
assert status == 0, said
assert weights(CHECKPOINTS) == expected
assert exphil("registry", "verify", "--checkpoints", str(CHECKPOINTS))[0] == 0

# It fills up, and somebody makes space while the run goes on.
shutil.rmtree(CHECKPOINTS); tried.clear(); saved.clear(); space_again = 5
status, _, said = exphil(*TRAIN, "--checkpoints", str(small / "again"))
assert status == 0, said
assert saved[:3] == [5, 10, tried[4]], (saved, tried)
assert said.count("can't be saved") == said.count("the state is saved again") == 1, said
assert weights(small / "again") == expected

# Older states make room for the model, but never the newest.
shutil.rmtree(small / "again"); tried.clear(); saved.clear(); space_again = 0
kept = [*TRAIN[:-1], "2", "--checkpoints", str(small / "room")]
real_written = run_module._written
def full_by_then(*args):
    fill()
    run_module._written = real_written
    return real_written(*args)
run_module._written = full_by_then
tried.extend("..."); status, _, said = exphil(*kept)
assert status == 0, said
assert weights(small / "room") == expected
(folder,) = (small / "room").glob("*.state")
assert len(states(folder)) == 1
print("ok")
"""

READ_ONLY = """
import subprocess
status, _, said = exphil(*TRAIN, "--max-steps", "7", "--checkpoints", str(CHECKPOINTS))
assert status == 0, said
ballast.unlink(missing_ok=True)
subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
(folder,) = CHECKPOINTS.glob("*.state")
for words in ([*TRAIN, "--checkpoints", str(CHECKPOINTS)], [*TRAIN, "--checkpoints", str(small / "new")],
              ["train", "--resume", str(folder), "--max-steps", "9"]):
    status, _, said = exphil(*words)
    assert status == 1, said
    (line,) = (line for line in said.splitlines() if line.startswith("exphil:"))
    assert "no permission to write in" in line, line
    assert "games," not in said, said
print("ok")
"""

DENIED = """
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for folder in (ample / "mine", ample / "mine" / "deeper"):
    status, _, said = exphil(*TRAIN, "--checkpoints", str(folder))
    assert status == 1, said
    (line,) = (line for line in said.splitlines() if line.startswith("exphil:"))
    assert line.endswith(f"no permission to write in {ample / 'mine'}"), line
    assert "games," not in said, said
print("ok")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="exphil-disk-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def on_small_disk(script: str, replays: Path, folder: Path, size: str) -> None:
    """Run the script where `folder`/small is a disk of that size. Skips where nothing can be mounted."""
    small, ample = folder / "small", folder / "ample"
    small.mkdir()
    ample.mkdir()
    (folder / "script.py").write_text(BEGIN + script)
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here, to mount a small disk in a namespace of its own")
    namespace = ["unshare", "--mount" if os.geteuid() == 0 else "-rm", "sh", "-c"]
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1"'
    if (
        tried := subprocess.run([*namespace, mount, "-", str(small)], capture_output=True, text=True)
    ).returncode:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    words = [sys.executable, str(folder / "script.py"), str(replays), str(small), str(ample)]
    done = subprocess.run(
        [*namespace, f'{mount} && shift && exec "$@"', "-", str(small), *words],
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr


def test_a_folder_that_can_t_be_made_is_no_full_disk() -> None:
    # Nobody, not even root, makes folders in /proc, which has 0 bytes free.
    with pytest.raises(ExphilError) as caught:
        check_writable(Path("/proc/x"))
    assert str(caught.value) == "--checkpoints /proc/x can't be made or written: No such file or directory"
    assert why_incomplete(Path("/proc/x")) == (
        "the cache /proc/x is not complete (it can't be made or written: No such file or directory)"
    )


@pytest.mark.all_only
def test_a_full_disk_leaves_the_last_good_state_and_the_run_ends_the_same_after_space_is_made(
    demo_folder: Path, open_folder: Path
) -> None:
    on_small_disk(FULL, demo_folder, open_folder, "12m")


def test_a_read_only_disk_is_refused_before_anything_is_read(demo_folder: Path, open_folder: Path) -> None:
    on_small_disk(READ_ONLY, demo_folder, open_folder, "12m")


def test_a_folder_of_somebody_else_s_is_refused_before_anything_is_read(
    demo_folder: Path, open_folder: Path
) -> None:
    (open_folder / "mine").mkdir(mode=0o555)
    script = open_folder / "script.py"
    script.write_text(BEGIN + DENIED)
    words = [sys.executable, str(script), str(demo_folder), str(open_folder), str(open_folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr
