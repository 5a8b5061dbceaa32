"""A write happened or it didn't."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from exphil_core.checkpoints import atomic
from exphil_core.checkpoints.atomic import write_bytes, write_json
from exphil_core.checkpoints.files import sweep


def test_bytes_and_blocks_arrive(tmp_path):
    write_bytes(tmp_path / "a", b"whole")
    write_bytes(tmp_path / "b", iter([b"in ", b"parts"]))
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert (tmp_path / "b").read_bytes() == b"in parts"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names")
def test_a_pipe_or_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_bytes(tmp_path / "pipe", b"whole")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_json_is_stable_readable_and_ends_in_a_newline(tmp_path):
    write_json(tmp_path / "a.json", {"b": "é", "a": [1]})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'


def test_nan_is_refused_and_the_old_file_stays(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text() == "1\n"


@pytest.mark.skipif(os.name == "nt", reason="no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_what_open_would_give(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "ours", b"")
        (tmp_path / "plain").write_bytes(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_no_temporary_one_and_names_the_file(
    tmp_path, monkeypatch, failing, locked
):
    target = tmp_path / "model.safetensors"
    write_bytes(target, b"old")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((atomic.os, "fsync") if failing == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_bytes(target, b"new", locked=locked)
    assert caught.value.filename == str(target)
    assert caught.value.errno == errno.ENOSPC
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {target.name: b"old"}


def test_a_block_that_fails_leaves_nothing(tmp_path):
    def blocks():
        yield b"half"
        raise RuntimeError("source is gone")

    with pytest.raises(RuntimeError, match="gone"):
        write_bytes(tmp_path / "a", blocks())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_bytes(tmp_path / "no" / "a", b"")
    assert caught.value.filename == str(tmp_path / "no" / "a")


def test_a_locked_write_survives_what_an_earlier_kill_left(tmp_path):
    (tmp_path / ".a.tmp-locked").write_bytes(b"half")
    write_bytes(tmp_path / "a", b"new", locked=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_locked_write_does_not_follow_a_link(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".a.tmp-locked").symlink_to(tmp_path / "victim")
    write_bytes(tmp_path / "a", b"new", locked=True)
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_windows_readers_are_waited_for(tmp_path, monkeypatch):
    real, refused = Path.replace, []

    def busy(self, target):
        if len(refused) < 2:
            refused.append(target)
            raise PermissionError(errno.EACCES, "in use")
        return real(self, target)

    paths = (tmp_path / "a", tmp_path / "b")
    paths[0].write_bytes(b"new")
    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(atomic.os, "name", "nt")
    atomic.replace(*paths)
    monkeypatch.undo()
    assert len(refused) == 2
    assert paths[1].read_bytes() == b"new"


def test_sweeping_takes_old_temporary_files_and_nothing_else(tmp_path):
    old = ("sub/.a.tmp-0123", "sub/.notes", "sub/a.tmp-0123")
    (tmp_path / "sub").mkdir()
    for name in (*old, ".b.tmp-4567"):
        (tmp_path / name).write_bytes(b"12345")
    for name in old:
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".link.tmp-0").symlink_to(tmp_path / "sub" / ".notes")
    assert sweep(tmp_path) == 5
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"sub", "sub/.notes", "sub/a.tmp-0123", ".b.tmp-4567", ".link.tmp-0"}
