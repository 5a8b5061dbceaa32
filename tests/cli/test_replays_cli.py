"""`exphil replays scan` and `show`: tables and JSON that agree with the files, and nothing read twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from exphil_core.cli.main import run
from exphil_core.replays import archives
from exphil_core.replays.cache import GameCache, rows_folder


@pytest.fixture
def scan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def scanned(*words: object) -> dict[str, Any]:
        flags = ["--json", "--progress", "none", "--cache-dir", str(tmp_path / "cache")]
        status = run(["replays", "scan", *map(str, words), *flags])
        captured = capsys.readouterr()
        assert status == 0, captured.err
        document: dict[str, Any] = json.loads(captured.out)
        return document

    return scanned


def test_a_scan_tells_games_and_reasons(scan: Any, demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.slp").write_bytes(b"no replay")
    found = scan(demo_folder, tmp_path / "bad.slp")
    assert found["files"] == 7
    assert found["total"]["games"] == 6
    assert found["reasons"] == {"unreadable": 1}
    by_name = {Path(row["file"]).name: row for row in found["replays"]}
    assert by_name["bad.slp"]["left_out"].startswith("unreadable")
    good = next(row for name, row in by_name.items() if name != "bad.slp")
    assert good["left_out"] is None
    assert good["sides"] == [0, 1]
    assert all(player["code"].startswith("DEMO") for player in good["players"])


def test_an_option_is_not_taken_for_the_value_of_the_one_before(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["replays", "scan", str(demo_folder), "--parquet", "--json"]) == 2
    said = capsys.readouterr().err
    assert (
        "Option '--parquet' requires an argument: --json is another option. (see `exphil replays scan" in said
    )
    assert not list(tmp_path.iterdir())


def test_a_second_scan_opens_nothing(scan: Any, demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scan(demo_folder)
    monkeypatch.setattr(archives.Unpacker, "each", None)
    assert scan(demo_folder, "--character", "fox")["total"]["games"] <= first["total"]["games"]
    assert scan(demo_folder) == first


def test_filters_are_those_of_training(scan: Any, demo_folder: Path) -> None:
    everyone, fox = scan(demo_folder), scan(demo_folder, "--character", "Fox", "--min-frames", "100")
    assert set(fox["characters"]) == {"fox"}
    assert fox["characters"]["fox"] == everyone["characters"]["fox"]
    assert fox["reasons"] == {"other characters": 6 - fox["total"]["games"]}
    assert scan(demo_folder, "--max-files", "2")["total"]["games"] == 2
    assert scan(demo_folder, "--max-files", "1")["total"]["games"] == 1


def test_a_table_that_can_t_be_written_is_named(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "gone" / "games.parquet"
    assert run(["replays", "scan", str(demo_folder), "--parquet", str(target)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"exphil: {target}: No such file or directory"


def test_names_can_be_left_out(scan: Any, demo_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "games.parquet"
    for flags, named in ((["--anonymous"], False), ([], True)):
        found = scan(demo_folder, "--parquet", target, *flags)
        assert ("DEMO" in json.dumps(found)) == named
        table = parquet.read_table(target)
        assert table.num_rows == 6
        assert table["frames"].to_pylist() == [row["frames"] for row in found["replays"]]
        player = table["players"].to_pylist()[0][0]
        assert ("code" in player) == named
        assert dict(player["shares"]) == pytest.approx(found["replays"][0]["players"][0]["shares"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--anonymous"], "warning: --anonymous does nothing without --json or --parquet\n"),
        (["--files", "--json"], "warning: --files does nothing with --json, which has every file\n"),
        (["--seed", "3"], "warning: --seed does nothing without --max-files\n"),
        (["--seed", "3", "--max-files", "2", "--files"], ""),
    ],
)
def test_flags_of_a_scan_that_do_nothing_are_warned_of(
    flags: list[str], said: str, demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["replays", "scan", str(demo_folder), "--progress", "none", "--cache-dir", str(tmp_path)]
    assert run([*words, *flags]) == 0
    assert capsys.readouterr().err == said


def test_a_table_without_a_reason_has_no_reasons(
    demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replays", "scan", str(demo_folder), "--progress", "none"]) == 0
    text = capsys.readouterr().out
    assert "6 files: 6 games to train on" in text
    assert "left out because" not in text


def test_a_member_of_an_archive_can_be_shown(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = min(demo_folder.glob("*.slp"))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(path, "games/a.slp")
    shown = []
    for name in (str(path), f"{tmp_path / 'set.zip'}!games/a.slp"):
        assert run(["replays", "show", name, "--json"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] | {"file": ""} == shown[1] | {"file": ""}
    assert shown[0]["reason"] is None
    assert run(["replays", "show", f"{tmp_path / 'set.zip'}!games/b.slp"]) == 1
    assert 'did you mean "games/a.slp"' in capsys.readouterr().err
    assert run(["replays", "show", str(tmp_path / "set.zip")]) == 1
    assert "set.zip is an archive: name a replay in it, as in " in capsys.readouterr().err
    assert run(["replays", "show", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"exphil: {tmp_path} is a folder: exphil replays scan {tmp_path}\n"


def test_a_sample_is_cached_of_the_seed_that_training_will_draw(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of six games: with another seed, others."""
    rows = []
    for number, seed in enumerate(["0", "0", "1", "2", "3"]):
        words = ["replays", "cache", str(demo_folder), "--max-files", "2", "--seed", seed, "--json"]
        assert run([*words, "--cache-dir", str(tmp_path / str(number)), "--progress", "none"]) == 0
        cache = GameCache(rows_folder(tmp_path / str(number), "last"))
        rows.append(sorted(bytes(digest).hex() for digest in cache.hashes))
    capsys.readouterr()
    assert rows[0] == rows[1]
    assert any(other != rows[0] for other in rows[2:])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_names_that_are_no_text_are_scanned_listed_and_known_again(
    scan: Any, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, game = tmp_path / "odd", min(demo_folder.glob("*.slp")).read_bytes()
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.slp")
    (folder / name).write_bytes(game)
    (folder / os.fsdecode(b"\xff.slp")).write_bytes(b"no replay")
    first = scan(folder)
    assert first["total"]["games"] == 1
    assert [Path(row["file"]).name for row in first["replays"]] == [name, os.fsdecode(b"\xff.slp")]
    monkeypatch.setattr(archives.Unpacker, "each", None)
    assert scan(folder, "--parquet", tmp_path / "x.parquet") == first
    assert parquet.read_table(tmp_path / "x.parquet")["file"][0].as_py().endswith("caf\\udce9.slp")
    words = [sys.executable, "-m", "exphil_core", "replays", "scan", str(folder), "--files"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "EXPHIL_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(words, capture_output=True, env=environment, check=True)
    assert b".slp: unreadable: I/O error" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_pipes_and_devices_are_named_and_not_read_for_ever(
    scan: Any, demo_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(demo_folder, folder)
    os.mkfifo(folder / "pipe.slp")
    os.mkfifo(folder / "pipe.zip")
    (folder / "zeros.slp").symlink_to("/dev/zero")
    found = scan(folder)
    assert found["total"]["games"] == 6
    reasons = {Path(row["file"]).name: row["left_out"] for row in found["replays"] if row["left_out"]}
    assert reasons["pipe.slp"] == reasons["zeros.slp"] == "unreadable: not a regular file"
    assert reasons["pipe.zip"].startswith("unreadable: the archive can't be read: ")


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_a_name_with_a_newline_is_one_line_and_one_game_is_no_games(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(min(demo_folder.glob("*.slp")), tmp_path / "good.slp")
    (tmp_path / "a\nb.slp").write_bytes(b"no replay")
    flags = ["--progress", "none", "--cache-dir", str(tmp_path / "cache")]
    assert run(["replays", "scan", str(tmp_path), "--files", *flags]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("2 files: 1 game to train on, ")
    assert last.startswith(rf"left out {tmp_path}/a\nb.slp: unreadable")
    assert run(["replays", "cache", str(tmp_path / "good.slp"), *flags]) == 0
    assert capsys.readouterr().out.startswith("cached: 1 game, ")
