"""Which files a source names, and what is said of one that names none."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from exphil_core.errors import ExphilError, ReplayError
from exphil_core.replays import archives
from exphil_core.replays.archives import read_one
from exphil_core.replays.filters import GameFilter, select
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at
from exphil_core.replays.sources import find_replays


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.slp", "b [W].slp", "deep/er/c.SLP", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(*sources: object) -> list[str]:
    return [path.name for path in find_replays(map(str, sources))]


def test_folders_are_searched_recursively_and_other_files_passed_over(folder: Path) -> None:
    assert found(folder) == ["a.slp", "b [W].slp", "c.SLP"]


def test_files_globs_and_folders_together_count_each_file_once(folder: Path) -> None:
    assert found(folder / "a.slp", folder / "*.slp", folder) == ["a.slp", "b [W].slp", "c.SLP"]


def test_brackets_in_a_file_name_are_no_glob(folder: Path) -> None:
    assert found(folder / "b [W].slp") == ["b [W].slp"]


def test_a_recursive_glob(folder: Path) -> None:
    assert found(folder / "**" / "*.SLP") == ["c.SLP"]


def test_a_wrong_path_names_the_nearest(folder: Path) -> None:
    with pytest.raises(ExphilError, match=r'there is no file or folder ".*deeep" \(did you mean "deep"\?\)'):
        find_replays([str(folder / "deeep")])


def test_a_folder_without_replays_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExphilError, match=r"no \.slp files in"):
        find_replays([str(tmp_path)])


def test_a_glob_without_matches_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExphilError, match=r"no \.slp files in"):
        find_replays([str(tmp_path / "*.slp")])


def test_a_file_takes_memory_of_its_size_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "a.slp").write_bytes(b"{U" * 50_000)
    (file,) = find_replays([str(tmp_path)])
    tracemalloc.start()
    try:
        assert read_one(file) == b"{U" * 50_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_grew_beyond_every_replay_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.slp").write_bytes(b"{U")
    (file,) = find_replays([str(tmp_path)])
    (tmp_path / "a.slp").write_bytes(bytes(1001))
    monkeypatch.setattr(archives, "LARGEST", 1000)
    with pytest.raises(ReplayError, match="are no replay"):
        read_one(file)
    # The same where it grows between the look at its size and reading.
    monkeypatch.setattr(archives.os, "fstat", lambda _: os.stat_result((0,) * 10))
    with pytest.raises(ReplayError, match="are no replay"):
        read_one(file)


def test_linked_folders_are_searched_and_circles_end(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "d.slp").touch()
    try:
        (folder / "linked").symlink_to(elsewhere, target_is_directory=True)
        (folder / "deep" / "round").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    assert found(folder) == ["a.slp", "b [W].slp", "c.SLP", "d.slp"]


def test_a_link_to_nowhere_does_not_end_the_run(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        (folder / "broken*.slp").symlink_to(folder / "nowhere")
    except OSError:
        pytest.skip("no symbolic links here")
    assert found(folder / "*.slp") == ["a.slp", "b [W].slp", "broken*.slp"]
    files = find_replays([str(folder / "*.slp")])
    with ReplayIndex(tmp_path_factory.mktemp("index")) as index:
        left_out = select(files, look_at(files, index), GameFilter()).left_out
    assert {item.file.name for item in left_out} == {"a.slp", "b [W].slp", "broken*.slp"}


def broken(path: Path) -> Path:
    """An archive whose list of files is gone."""
    kind = path.suffix
    path.write_bytes(b"7z\xbc\xaf\x27\x1c\0\4" + bytes(200) if kind == ".7z" else b"PK\3\4" + bytes(200))
    return path


@pytest.mark.parametrize("kind", ["zip", "7z"])
def test_an_archive_that_is_broken_is_left_out_and_named_with_the_reason(
    demo_folder: Path, tmp_path: Path, kind: str
) -> None:
    shutil.copytree(demo_folder, tmp_path / "games")
    culprit = broken(tmp_path / "games" / f"set.{kind}")
    for sources in (
        [tmp_path / "games"],
        [demo_folder, culprit],
        [demo_folder, culprit, culprit.parent / f"*.{kind}"],
    ):
        files = find_replays(map(str, sources))
        assert len(files) == 7
        with ReplayIndex(tmp_path / "index") as index:
            selection = select(files, look_at(files, index), GameFilter())
        assert len(selection.chosen) == 6
        (left,) = selection.left_out
        assert (left.file.path, left.kind) == (str(culprit), "unreadable")
        assert left.reason.startswith("unreadable: the archive can't be read: ")
    # Alone, there is nothing to go on with.
    with pytest.raises(ExphilError, match=rf"set\.{kind}: the archive can't be read: "):
        find_replays([str(culprit)])


def test_a_folder_that_can_t_be_looked_into_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(folder) == ["a.slp", "b [W].slp", "deep"]
