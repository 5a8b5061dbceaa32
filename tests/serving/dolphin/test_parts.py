"""Cells to commands and back, disc images, executables, latencies: the parts, one by one."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from melee.controller import fix_analog_stick, fix_analog_trigger

from exphil_core.doctor import BROKEN, NOTE, OK, examine
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import (
    AXIS_STEPS,
    CELL_COUNTS,
    NEUTRAL,
    SHOULDER_LEVELS,
    STICK_CELLS,
    Cells,
)
from exphil_core.serving.dolphin.checks import dolphin_checks
from exphil_core.serving.dolphin.install import find_dolphin, pipes_folder
from exphil_core.serving.dolphin.iso import FULL_SIZE, read_disc, require_melee
from exphil_core.serving.dolphin.latency import Latencies
from exphil_core.serving.dolphin.pad import PadWriter
from exphil_core.serving.dolphin.settings import parse_connect_code, parse_stage
from exphil_core.testing.fake_dolphin import FakeDolphin, install
from exphil_core.testing.fake_dolphin.pressed import pressed

MAGIC = b"\xc2\x33\x9f\x3d"


def all_controllers() -> Cells:
    """Every position of either stick, every chord and every level of the shoulder, in some order."""
    dice, main = np.random.default_rng(1), np.argwhere(STICK_CELLS)
    buttons, shoulder = (dice.permutation(len(main)) % CELL_COUNTS[part] for part in (0, 5))
    return np.column_stack([buttons, main, dice.permutation(main), shoulder]).astype(np.uint8)


class Wire:
    """A libmelee controller with a list for a pipe."""

    def __init__(self) -> None:
        import melee

        self.lines: list[str] = []
        self.controller = melee.Controller.__new__(melee.Controller)
        self.controller.current = melee.controller.ControllerState()
        self.controller.logger, self.controller._fix_analog_inputs = None, True
        self.controller.pipe = self
        self.written: list[list[str]] = []

    def write(self, text: str) -> None:
        self.lines += text.splitlines()

    def close(self) -> None:
        """As `Controller` does when it goes."""

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


def test_every_controller_arrives_as_itself() -> None:
    """Every cell of every part, by libmelee's own arithmetic and then Dolphin's."""
    wire = Wire()
    pad = PadWriter(wire.controller)
    wanted = np.concatenate([NEUTRAL[None], all_controllers(), NEUTRAL[None]])
    for part, count in enumerate(CELL_COUNTS):
        assert len(np.unique(wanted[:, part])) == count, part
    flushes = []
    for cells in wanted:
        pad.send(cells)
        flushes.append(wire.take())
    np.testing.assert_array_equal(pressed(flushes), wanted)


def test_every_step_of_a_stick_and_a_trigger_survives_libmelee() -> None:
    for step in AXIS_STEPS.tolist():
        assert math.floor((fix_analog_stick(0.5 + step / 160) - 0.5) * 254) == step
    for level in SHOULDER_LEVELS.tolist():
        assert math.floor(fix_analog_trigger(level / 140) * 255) == level


def test_a_controller_is_written_whole_once_somebody_else_has_written() -> None:
    wire = Wire()
    pad = PadWriter(wire.controller)
    pad.send(NEUTRAL)
    assert len(wire.take()) == 11
    pad.send(NEUTRAL)
    assert wire.take() == []
    pad.forget()
    pad.send(NEUTRAL)
    assert len(wire.take()) == 11


def disc(id: bytes = b"GALE01", revision: int = 2) -> bytes:
    header = bytearray(0x80)
    header[:6], header[7], header[0x1C:0x20] = id, revision, MAGIC
    return bytes(header)


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (disc(), "iso"),
        (b"RVZ\x01" + bytes(0x54) + disc(), "rvz"),
        (b"WIA\x01" + bytes(0x54) + disc(), "wia"),
        (b"CISO" + bytes(0x7FFC) + disc(), "ciso"),
    ],
)
def test_melee_is_recognised_in_every_container(content: bytes, stored: str, tmp_path: Path) -> None:
    path = tmp_path / "game"
    path.write_bytes(content)
    found = require_melee(path)
    assert found is not None
    assert (found.id, found.revision, found.stored, found.size) == ("GALE01", 2, stored, len(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (disc(b"GALP01"), "the disc is GALP01; Melee .* is GALE01"),
        (disc(revision=0), "Melee 1.00; Slippi and libmelee's codes need 1.02"),
        (b"", "not a GameCube disc image"),
        (b"PK\x03\x04" + bytes(100), "not a GameCube disc image"),
    ],
)
def test_other_files_are_not_melee(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "game"
    path.write_bytes(content)
    with pytest.raises(ExphilError, match=said):
        require_melee(path)


def test_a_compressed_image_can_not_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "game.gcz").write_bytes(b"\x01\xc0\x0b\xb1" + bytes(100))
    assert read_disc(tmp_path / "game.gcz") is None


def findings(manager: PluginManager, dolphin: Path | None, iso: Path | None) -> dict[str, tuple[str, str]]:
    return {
        found.check: (found.status, found.says) for found in examine(manager, dolphin_checks(dolphin, iso))
    }


def test_the_doctor_looks_at_dolphin_disc_codes_and_pipes(manager: PluginManager, tmp_path: Path) -> None:
    iso = tmp_path / "melee.iso"
    with iso.open("wb") as file:
        file.write(disc())
        file.truncate(FULL_SIZE)  # holes, no space
    dolphin = install(tmp_path, FakeDolphin(replay=tmp_path / "none", log=tmp_path / "log"))
    found = findings(manager, dolphin, iso)
    assert {status for status, _ in found.values()} == {OK}
    assert found["dolphin"][1].startswith("Slippi fake mainline 3.5.0 (")
    assert found["iso"][1].startswith("GALE01 revision 2, iso (")
    assert "libmelee 0." in found["gecko codes"][1]
    assert "named pipes work" in found["pipes"][1]


def test_the_doctor_says_what_is_wrong(manager: PluginManager, tmp_path: Path) -> None:
    (tmp_path / "trimmed.iso").write_bytes(disc())
    assert findings(manager, None, tmp_path / "trimmed.iso")["iso"][0] == NOTE
    (tmp_path / "other.iso").write_bytes(disc(b"GZLE01"))
    found = findings(manager, tmp_path / "nowhere", tmp_path / "other.iso")
    assert found["dolphin"][0] == found["iso"][0] == BROKEN
    assert "no such file" in found["dolphin"][1]
    assert findings(manager, None, None)["dolphin"] == (OK, "not looked at: give --dolphin PATH")


def test_the_doctor_minds_missing_libmelee_only_where_dolphin_is_wanted(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "melee" else find(name))
    assert findings(manager, None, None)["libmelee"][0] == OK
    assert findings(manager, tmp_path, None)["libmelee"][0] == BROKEN


def test_a_folder_without_pipes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.mkfifo", refuse)
    with pytest.raises(ExphilError, match=r"no named pipes can be made there .*set TMPDIR"):
        pipes_folder()


def test_dolphin_is_found_in_the_launchers_folders(tmp_path: Path) -> None:
    made = install(tmp_path / "made", FakeDolphin(replay=tmp_path / "none", log=tmp_path / "log"))
    place = tmp_path / "Slippi Launcher/netplay-beta/Slippi_Netplay_Mainline-x86_64.AppImage"
    place.parent.mkdir(parents=True)
    made.rename(place)
    for given in (tmp_path / "Slippi Launcher", place.parent, place):
        assert find_dolphin(given).executable == place


@pytest.mark.parametrize(("given", "code"), [("abc#1", "ABC#1"), (" FOX#042 ", "FOX#042")])
def test_direct_codes_are_written_as_slippi_does(given: str, code: str) -> None:
    assert parse_connect_code(given) == code


@pytest.mark.parametrize("given", ["", "ABC", "#1", "ABC#", "ABCDEFG#1", "ABC#12345", "ABC DEF#1", "RANKED"])
def test_anything_else_is_no_code(given: str) -> None:
    with pytest.raises(UsageError, match="looks like ABC#123"):
        parse_connect_code(given)


@pytest.mark.parametrize("given", ["Yoshi's Story", "yoshisstory", "YS", "ys", "yoshis-story"])
def test_stages_go_by_their_usual_names(given: str) -> None:
    stage = parse_stage(given)
    assert stage is not None
    assert stage.short == "YS"


def test_a_random_stage_is_none() -> None:
    assert parse_stage("random") is None


def test_latencies_are_summed_up() -> None:
    times = Latencies()
    assert times.text() == "no frame was played"
    for ms in range(1, 101):
        times.add(float(ms) / 5, missing=2 if ms == 50 else 0)
    times.skipped = 3
    found = times.summary()
    assert (found["frames"], found["late"], found["missing"], found["skipped"]) == (100, 17, 2, 3)
    assert (found["p50_ms"], found["p99_ms"], found["max_ms"]) == (10.1, 19.802, 20.0)
    assert "10.1 ms (p50), 19.8 ms (p99), 20.0 ms at most; 17 of 100 took longer" in times.text()
