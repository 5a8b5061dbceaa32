"""Deleting, archiving and restoring: whole and registered, or gone and unregistered, wherever a kill strikes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from exphil_core.checkpoints import journal
from exphil_core.checkpoints.config_file import read_entry
from exphil_core.checkpoints.files import ENDINGS, present
from exphil_core.checkpoints.paths import UnsafePathError
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import RegistryError
from exphil_core.checkpoints.running import is_running, running
from exphil_core.checkpoints.verify import verify
from exphil_core.errors import ExphilError

MOST_STEPS = 40


def state_of(folder: Path, id: str, stem: str) -> str:
    """What is left of a model, by its files and by the registry; "torn" if the two don't fit."""
    registry = Registry(folder, notify=pytest.fail)
    entry = next((entry for entry in registry.models() if entry.id == id), None)
    here, archived = len(present(folder, stem)), len(present(folder, f"archive/{stem}"))
    if entry is None:
        return "gone" if here == archived == 0 else "torn"
    if (here, archived) != ((0, len(ENDINGS)) if entry.archived else (len(ENDINGS), 0)):
        return "torn"
    if read_entry(folder, entry.config_path) != entry:
        return "torn"
    return "archived" if entry.archived else "whole"


ACTIONS = {
    "delete": (lambda r, step: r.delete([r.get("fox_a"), r.get("b")], step), "gone"),
    "archive": (lambda r, step: r.archive([r.get("fox_a"), r.get("b")], step), "archived"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_kill_at_any_step_leaves_both_models_whole_or_both_done(tmp_path, fakes, action):
    act, done = ACTIONS[action]
    outcomes = []
    for step in range(MOST_STEPS):
        folder = tmp_path / str(step)
        for stem in ("fox/a", "b", "c"):
            fakes.model(folder, stem)
        other = {n: c for n, c in fakes.model_files(folder).items() if n.startswith("c")}
        try:
            act(Registry(folder), fakes.kill_at(step))
        except fakes.Killed:
            finished = False
        else:
            finished = True
        states = {state_of(folder, "fox_a", "fox/a"), state_of(folder, "b", "b")}
        assert states in ({"whole"}, {done})
        outcomes.append(states.pop())
        assert not (folder / journal.FOLDER).exists()
        assert {n: c for n, c in fakes.model_files(folder).items() if n.startswith("c")} == other
        assert verify(Registry(folder)) == []
        before = (folder / "registry.json").read_bytes()
        Registry(folder).rebuild()
        assert (folder / "registry.json").read_bytes() == before
        if finished:
            break
    assert finished, "more steps than expected"
    assert outcomes == sorted(outcomes, key=lambda outcome: outcome == done), "once done, done"
    assert {*outcomes} == {"whole", done}
    assert len(outcomes) > 12


def test_a_kill_at_any_step_of_restoring_leaves_the_model_here_or_there(tmp_path, fakes):
    outcomes = []
    for step in range(MOST_STEPS):
        folder = tmp_path / str(step)
        fakes.model(folder, "archive/fox/a", tags=("t",))
        try:
            Registry(folder).restore("fox_a", fakes.kill_at(step))
        except fakes.Killed:
            outcomes.append(state_of(folder, "fox_a", "fox/a"))
            assert verify(Registry(folder)) == []
        else:
            break
    assert {*outcomes} == {"archived", "whole"}
    assert Registry(folder).get("fox_a").tags == ("t",)


def test_a_kill_while_mending_is_mended_too(tmp_path, fakes, monkeypatch):
    for step in range(4):
        folder = tmp_path / str(step)
        fakes.model(folder, "a")
        with pytest.raises(fakes.Killed):
            Registry(folder).archive([Registry(folder).get("a")], fakes.kill_at(4))
        real, moved = journal.replace, []

        def dying(source, target, moved=moved, step=step, real=real):
            if len(moved) == step:
                raise fakes.Killed
            moved.append(source)
            real(source, target)

        monkeypatch.setattr(journal, "replace", dying)
        with pytest.raises(fakes.Killed):
            Registry(folder).models()
        monkeypatch.undo()
        assert state_of(folder, "a", "a") == "whole"


def test_a_real_kill_while_deleting(folder, fakes):
    fakes.model(folder, "a")
    script = """
import os, signal, sys
from pathlib import Path
from exphil_core.checkpoints.registry import Registry
registry, seen = Registry(Path(sys.argv[1])), []
def step(name):
    seen.append(name)
    if len(seen) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
registry.delete([registry.get("a")], step)
"""
    for at, expected in ((3, "whole"), (7, "gone")):
        process = subprocess.run([sys.executable, "-c", script, str(folder), str(at)], timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert (folder / journal.FOLDER).is_dir()
        assert state_of(folder, "a", "a") == expected


def test_what_was_cut_off_is_put_back_when_the_registry_is_lost_too(folder, fakes):
    fakes.model(folder, "a")
    before = fakes.model_files(folder)
    with pytest.raises(fakes.Killed):
        Registry(folder).delete([Registry(folder).get("a")], fakes.kill_at(3))
    (folder / "registry.json").write_bytes(b"{")
    assert [entry.id for entry in Registry(folder, notify=lambda line: None).models()] == ["a"]
    assert fakes.model_files(folder) == before


def test_what_was_half_deleted_does_not_come_back_when_the_registry_is_lost(folder, fakes):
    fakes.model(folder, "a")
    with pytest.raises(fakes.Killed):
        Registry(folder).delete([Registry(folder).get("a")], fakes.kill_at(10))
    assert len(list((folder / journal.FOLDER).rglob("a*"))) in range(1, len(ENDINGS) + 1)
    (folder / "registry.json").write_bytes(b"{")
    assert Registry(folder, notify=lambda line: None).models() == []
    assert fakes.model_files(folder) == {}


@pytest.mark.parametrize("action", ["delete", "archive"])
@pytest.mark.parametrize("failing", range(10))
def test_a_file_that_cannot_be_moved_undoes_everything_at_once(folder, fakes, monkeypatch, action, failing):
    for stem in ("a", "b"):
        fakes.model(folder, stem)
    before = fakes.tree(folder)
    real, moves = journal.replace, []

    def busy(source, target):
        if target.suffix != ".done" and len(moves) == failing:
            moves.append(source)
            raise OSError(errno.EACCES, "in use by another program", str(source))
        moves.append(source)
        real(source, target)

    monkeypatch.setattr(journal, "replace", busy)
    registry = Registry(folder)
    with pytest.raises(OSError, match="in use"):
        getattr(registry, action)(registry.models())
    assert fakes.tree(folder) == before
    assert not (folder / journal.FOLDER).exists()
    assert {path.name for path in folder.iterdir()} >= {"a.state", "b.state"}


def test_a_full_disk_while_writing_the_registry_undoes_everything(folder, fakes, monkeypatch):
    fakes.model(folder, "a")
    registry, before = Registry(folder), fakes.tree(folder)

    def full(models):
        raise OSError(errno.ENOSPC, "No space left on device", "registry.json")

    monkeypatch.setattr(registry, "_write", full)
    with pytest.raises(OSError, match="No space"):
        registry.archive(registry.models())
    assert fakes.tree(folder) == before


def test_a_file_that_cannot_be_deleted_yet_hinders_nobody(folder, fakes, monkeypatch):
    for stem in ("a", "b"):
        fakes.model(folder, stem)
    registry = Registry(folder)
    with monkeypatch.context() as patch:
        real = Path.unlink

        def held_open(self, missing_ok=False):
            if self.parent.parent.name == journal.FOLDER:
                raise PermissionError(errno.EACCES, "held open", str(self))
            real(self, missing_ok)

        patch.setattr(Path, "unlink", held_open)
        registry.delete([registry.get("a")])
        assert [entry.id for entry in registry.models()] == ["b"]
        assert registry.tag("b", ["t"]).tags == ("t",)
        assert (folder / journal.FOLDER).exists()
    assert [entry.id for entry in registry.models()] == ["b"]
    assert not (folder / journal.FOLDER).exists()
    assert {name[0] for name in fakes.model_files(folder)} == {"b"}


def test_archiving_keeps_everything_and_restoring_brings_it_back(folder, fakes):
    fakes.model(folder, "fox/a", tags=("t",), val_loss=1.0)
    before = fakes.tree(folder)
    registry = Registry(folder)
    registry.archive(registry.models())
    entry = registry.get("fox_a")
    assert (entry.id, entry.archived, entry.path) == ("fox_a", True, "archive/fox/a.safetensors")
    assert not (folder / "fox").exists()
    assert (folder / "archive/fox/a.state/optimiser.safetensors").is_file()
    assert json.loads((folder / "registry.json").read_bytes())["leaderboard"]["best_overall"] is None
    registry.restore("fox")
    assert fakes.tree(folder) == before
    assert not (folder / "archive").exists()
    with pytest.raises(RegistryError, match="not archived"):
        registry.restore("fox")


def test_restoring_never_overwrites(folder, fakes):
    fakes.model(folder, "archive/a")
    (folder / "a_metrics.jsonl").write_text("somebody else's")
    before = fakes.tree(folder)
    with pytest.raises(FileExistsError, match="stands in the way"):
        Registry(folder).restore("a")
    assert fakes.tree(folder) == before


def test_a_model_that_changed_meanwhile_is_not_deleted(folder, fakes):
    fakes.model(folder, "a")
    registry = Registry(folder)
    old = registry.models()
    registry.tag("a", ["dear"])
    with pytest.raises(RegistryError, match="changed meanwhile"):
        registry.delete(old)
    assert registry.get("a").tags == ("dear",)


def test_a_model_in_training_is_not_moved(folder, fakes):
    fakes.model(folder, "fox/a")
    registry = Registry(folder)
    with running(folder, "fox/a"):
        assert is_running(folder, "fox/a")
        with pytest.raises(RegistryError, match="is being trained"):
            registry.delete(registry.models())
        with pytest.raises(ExphilError, match="being trained by another process"), running(folder, "fox/a"):
            pass
    assert not is_running(folder, "fox/a")
    assert not (folder / ".running").exists()
    registry.delete(registry.models())
    assert registry.models() == []


def test_a_run_that_was_killed_is_running_no_more(folder):
    script = (
        "import os, signal, sys; from pathlib import Path; from exphil_core.checkpoints.running import running\n"
        "with running(Path(sys.argv[1]), 'a'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], timeout=60)
    assert (folder / ".running" / "a.lock").exists()
    assert not is_running(folder, "a")
    assert not (folder / ".running").exists()


def test_links_are_never_followed_out_of_the_folder(folder, fakes, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    fakes.model(folder, "a")
    (folder / "a.state" / "link").symlink_to(outside)
    registry = Registry(folder)
    registry.delete(registry.models())
    assert fakes.tree(outside) == {"precious": b"precious"}

    entry = fakes.model(folder, "b")
    (folder / "b.safetensors").unlink()
    (folder / "b.safetensors").symlink_to(outside / "precious")
    with pytest.raises(UnsafePathError, match="symbolic link"):
        registry.delete([entry])
    assert registry.models() == [entry]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a", "source": "../outside/x", "target": "x"},
        {"id": "a", "source": "x", "target": "../outside/x"},
        {"id": "../a", "source": "x", "target": None},
        {"id": "a", "source": "/x", "target": None},
        {"id": "a", "source": "x", "target": None, "endings": ["/../../outside/x"]},
        {"id": "a", "source": "x", "target": 7},
        {"id": 7, "source": "x", "target": None},
        {"id": "a"},
        7,
    ],
)
def test_a_hostile_journal_moves_nothing_out_of_the_folder_or_into_it(folder, fakes, tmp_path, row):
    outside = tmp_path / "outside"
    fakes.write_files(outside, "x")
    fakes.model(folder, "a")
    note = folder / journal.FOLDER / "0123.json"
    note.parent.mkdir()
    full = {"endings": [".safetensors"], **row} if isinstance(row, dict) else row
    note.write_text(json.dumps({"intents": [full]}))
    before = fakes.tree(tmp_path)
    with Registry(folder).lock():
        pass
    after = {name: content for name, content in fakes.tree(tmp_path).items() if not name.endswith(".lock")}
    assert after == {name: content for name, content in before.items() if not name.endswith(".lock")}


def test_a_journal_that_is_a_link_is_not_used(folder, fakes, tmp_path):
    (tmp_path / "outside").mkdir()
    fakes.model(folder, "a")
    (folder / journal.FOLDER).symlink_to(tmp_path / "outside")
    registry = Registry(folder)
    with pytest.raises(UnsafePathError, match="symbolic link; remove it"):
        registry.delete(registry.models())
    assert not any((tmp_path / "outside").iterdir())


def test_a_model_without_policy_or_state_moves_too(folder, fakes):
    registry = Registry(folder)
    registry.create()
    from exphil_core.checkpoints.config_file import write_config

    hashes = fakes.write_files(folder, "a", policy=False, state=False)
    entry = attrs.evolve(fakes.entry("a", hashes), policy_path=None)
    write_config(folder, entry)
    registry.add(entry)
    registry.archive([entry])
    assert registry.get("a").policy_path is None
    registry.restore("a")
    assert registry.get("a") == entry


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(folder, fakes):
    fakes.model(folder, "a")
    folder.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="registry"):
            Registry(folder).tag("a", ["t"])
    finally:
        folder.chmod(0o755)
