"""States on disk: whole or not there, every flipped bit noticed, the one before used."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest
import torch

from exphil_core.checkpoints import states as module
from exphil_core.checkpoints.states import drop_older, load_state, newest, save_state, state_problem, states
from exphil_core.errors import ExphilError


def save(folder: Path, number: int, keep: int = 2) -> Path:
    tensors = {"weights.a": torch.full((40,), float(number)), "random.cpu": torch.get_rng_state()}
    return save_state(folder, tensors, {"number": number}, keep)


def number_in(folder: Path, said: list[str] | None = None) -> int:
    found = load_state(folder, said.append if said is not None else pytest.fail)
    assert found.tensors["weights.a"][0].item() == found.record["number"]
    number: int = found.record["number"]
    return number


def test_the_newest_few_are_kept_and_the_last_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "x.state"
    for number in range(5):
        save(folder, number, keep=3)
        assert number_in(folder) == number
    assert [path.name for path in states(folder)] == ["000003", "000004", "000005"]
    assert number_in(states(folder)[0]) == 2
    assert newest(tmp_path) == folder


@pytest.mark.skipif(os.name == "nt", reason="no umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_whom_the_umask_lets_read_can_read_all_of_a_state(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        state = save(tmp_path / "x.state", 1)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {mode}


def test_every_flipped_bit_is_noticed_and_named_and_the_state_before_is_used(tmp_path: Path) -> None:
    folder, drawn = tmp_path / "x.state", random.Random(1)
    save(folder, 1)
    last = save(folder, 2)
    for name in ("tensors.safetensors", "state.json", "manifest.json"):
        whole = (last / name).read_bytes()
        for _ in range(40):
            content = bytearray(whole)
            content[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
            (last / name).write_bytes(content)
            said: list[str] = []
            assert number_in(folder, said) == 1
            (line,) = said
            assert line.startswith(f"warning: {last}: ")
            assert line.endswith("going on from 000001, the one before")
        (last / name).write_bytes(whole)
    assert number_in(folder) == 2


@pytest.mark.parametrize("gone", ["manifest.json", "state.json", "tensors.safetensors"])
def test_a_file_that_is_gone_or_cut_short_is_named(tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "x.state"
    save(folder, 1)
    last = save(folder, 2)
    (last / gone).write_bytes((last / gone).read_bytes()[:-3])
    said: list[str] = []
    assert number_in(folder, said) == 1
    assert gone in said[0]
    (last / gone).unlink()
    assert state_problem(last) == f"{gone}: No such file or directory"
    (states(folder)[0] / gone).unlink()
    with pytest.raises(ExphilError, match=f"no state is whole: .*000002: {gone}.*; .*000001: {gone}"):
        load_state(folder, pytest.fail)


def test_what_a_killed_writer_left_is_no_state_and_goes_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "x.state"
    good = save(folder, 1)
    half = folder / ".state.tmp-0123456789ab"
    shutil.copytree(good, half)
    (half / "manifest.json").unlink()
    assert states(folder) == [good]
    assert number_in(folder) == 1
    save(folder, 2)
    assert not half.exists()


@pytest.mark.parametrize("step", ["save_file", "write_bytes", "replace"])
def test_an_error_at_any_step_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "x.state"
    save(folder, 1, keep=1)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, step, full)
    with pytest.raises(OSError, match="No space left"):
        save(folder, 2, keep=1)
    monkeypatch.undo()
    assert number_in(folder) == 1
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    save(folder, 3, keep=1)
    assert number_in(folder) == 3


def test_safetensors_own_words_for_a_full_disk_are_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise module.SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        save(tmp_path / "x.state", 1)
    assert raised.value.errno == errno.ENOSPC
    # Nothing was saved, so nothing is there.
    assert list(tmp_path.iterdir()) == []


def test_older_states_make_room_and_the_newest_stays(tmp_path: Path) -> None:
    folder = tmp_path / "x.state"
    for number in range(3):
        save(folder, number, keep=3)
    assert drop_older(folder)
    assert [path.name for path in states(folder)] == ["000003"]
    assert not drop_older(folder)
