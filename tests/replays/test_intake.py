"""Looking into replays: each file once, in one process or several, whatever ends it."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import warnings
import zipfile
from concurrent.futures import Future
from pathlib import Path
from threading import Timer

import attrs
import py7zr
import pytest

from exphil_core.errors import ExphilError
from exphil_core.replays import archives, workers
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.game import Game
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at, plan
from exphil_core.replays.sources import ReplayFile, find_replays


def done(error: OSError | None = None) -> Future[None]:
    future: Future[None] = Future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return future


@attrs.define
class Collector:
    """A sink that writes each game's length to a file named by its content."""

    folder: str
    games: dict[str, int] = attrs.field(factory=dict)

    def path(self, facts: FileFacts) -> Path:
        return Path(self.folder) / facts.sha256

    def wants(self, facts: FileFacts) -> bool:
        return not self.path(facts).exists()

    def add(self, game: Game, facts: FileFacts) -> None:
        assert (len(game), game.info.sha256) == (facts.frames, facts.sha256)
        self.games[facts.sha256] = len(game)

    def flush(self) -> Future[None]:
        for name, length in self.games.items():
            (Path(self.folder) / name).write_text(str(length))
        self.games.clear()
        return done()

    def looked_again(self) -> Collector:
        return self


class Crash(Collector):
    """Ends its process on the first game that is longer than the others, as a crash in the parser would."""

    def wants(self, facts: FileFacts) -> bool:
        if facts.file.endswith("bad.slp"):
            os._exit(3)
        return super().wants(facts)


@attrs.define
class CrashUnlessTold(Crash):
    """Knows better when it has looked again."""

    told: bool = False

    def wants(self, facts: FileFacts) -> bool:
        return True if self.told else super().wants(facts)

    def looked_again(self) -> Collector:
        return attrs.evolve(self, told=True)


class FullDisk(Collector):
    def flush(self) -> Future[None]:
        return done(OSError(28, "No space left on device", "shard"))


@attrs.define
class SlowDisk(Collector):
    """A disk that is done with a chunk when the next one begins to be written."""

    flushes: list[Future[None]] = attrs.field(factory=list)

    def add(self, game: Game, facts: FileFacts) -> None:
        super().add(game, facts)
        if len(self.flushes) > 1 and not self.flushes[-2].done():
            raise AssertionError("two chunks wait at once")

    def flush(self) -> Future[None]:
        super().flush()
        self.flushes.append(Future())
        Timer(0.3, self.flushes[-1].set_result, [None]).start()
        return self.flushes[-1]


@pytest.fixture
def index(tmp_path: Path) -> ReplayIndex:
    return ReplayIndex(tmp_path / "cache")


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened from now on."""
    names: list[str] = []
    real = archives.Unpacker.each

    def spy(self: archives.Unpacker, files: list[ReplayFile], act: archives.Reader) -> None:
        names.extend(file.name for file in files)
        real(self, files, act)

    monkeypatch.setattr(archives.Unpacker, "each", spy)
    return names


def without_names(facts: list[FileFacts]) -> list[FileFacts]:
    return sorted((attrs.evolve(item, file="") for item in facts), key=lambda item: item.sha256)


def test_a_second_look_opens_nothing_and_knows_the_same(
    demo_folder: Path, index: ReplayIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_replays([str(demo_folder)])
    names = opened(monkeypatch)
    first = look_at(files, index)
    assert len(names) == len(files)
    assert all(facts.reason is None and len(facts.players) == 2 for facts in first)
    assert look_at(files, index) == first
    assert len(names) == len(files)


def test_a_changed_file_is_looked_at_again(tmp_path: Path, demo_folder: Path, index: ReplayIndex) -> None:
    games = sorted(demo_folder.glob("*.slp"))
    path = tmp_path / "x.slp"
    hashes = set()
    for game in games[:2]:
        path.write_bytes(game.read_bytes())
        hashes |= {facts.sha256 for facts in look_at([ReplayFile.on_disk(path)], index)}
    assert len(hashes) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sink_gets_every_game_once(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_replays([str(demo_folder)])
    (tmp_path / "games").mkdir()
    sink = Collector(str(tmp_path / "games"))
    facts = look_at(files, index, sink=sink, workers=workers)
    assert {path.name: int(path.read_text()) for path in (tmp_path / "games").iterdir()} == {
        item.sha256: item.frames for item in facts
    }
    names = opened(monkeypatch)
    sink.path(facts[2]).unlink()
    assert look_at(files, index, sink=sink, workers=1) == facts
    assert names == [files[2].name]
    assert sink.path(facts[2]).exists()


def test_facts_are_recorded_when_their_games_are_durable(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CHUNK_FILES", 2)
    files = find_replays([str(demo_folder)])
    (tmp_path / "games").mkdir()
    sink = SlowDisk(str(tmp_path / "games"))
    durable: list[int] = []
    look_at(
        files,
        index,
        sink=sink,
        workers=1,
        progress=lambda *_: durable.append(sum(each.done() for each in sink.flushes)),
    )
    # One more chunk each time, the first of them none: what is recorded has always reached the disk.
    assert durable == list(range(-(-len(files) // 2) + 1))


def test_processes_find_what_one_finds(demo_folder: Path, tmp_path: Path) -> None:
    files = find_replays([str(demo_folder)])
    looks = []
    for count in (1, 2):
        with ReplayIndex(tmp_path / str(count)) as index:
            looks.append(look_at(files, index, workers=count))
    assert looks[0] == looks[1]


def test_a_process_that_dies_costs_the_file_that_it_died_of(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex
) -> None:
    (tmp_path / "games").mkdir()
    bad = tmp_path / "bad.slp"
    bad.write_bytes(min(demo_folder.glob("*.slp")).read_bytes() + b"\0")
    files = [*find_replays([str(demo_folder)]), ReplayFile.on_disk(bad)]
    facts = look_at(files, index, sink=Crash(str(tmp_path / "games")), workers=2)
    assert [item.reason for item in facts[:-1]] == [None] * (len(files) - 1)
    assert facts[-1].reason == "unreadable: the reader died of it (exit status 3)"
    assert len(list((tmp_path / "games").iterdir())) == len(files) - 1
    # It may have been innocent: nothing is kept of it.
    assert index.facts(files[-1]) is None


def test_who_takes_over_knows_what_the_dead_one_made_durable(demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    games = sorted(demo_folder.glob("*.slp"))
    for name in ("first bad.slp", "second bad.slp"):
        (tmp_path / name).write_bytes(games.pop().read_bytes() + b"\0")
    job = tuple(ReplayFile.on_disk(tmp_path / name) for name in ("first bad.slp", "second bad.slp"))
    sink = CrashUnlessTold(str(tmp_path / "games"))
    chunks = list(workers.look_into_with(1, [job], sink, "last"))
    reasons = [facts.reason for chunk in chunks for _, facts in chunk]
    assert reasons == ["unreadable: the reader died of it (exit status 3)", None]


def test_a_script_without_a_main_guard_reads_in_its_own_process(demo_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from exphil_core.replays.index import ReplayIndex\n"
        "from exphil_core.replays.intake import look_at\n"
        "from exphil_core.replays.sources import find_replays\n"
        "with ReplayIndex(Path(sys.argv[1])) as index:\n"
        "    print(len(look_at(find_replays([sys.argv[2]]), index, workers=2)))\n"
    )
    words = [sys.executable, str(script), str(tmp_path / "cache"), str(demo_folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["6"]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_sink_raises_ends_it(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, workers: int
) -> None:
    files = find_replays([str(demo_folder)])
    with pytest.raises((ExphilError, OSError), match="No space left on device"):
        look_at(files, index, sink=FullDisk(str(tmp_path)), workers=workers)
    assert [index.facts(file) for file in files] == [None] * len(files)


def packed(folder: Path, kind: str, games: list[Path]) -> Path:
    target = folder / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in games:
                archive.write(path, f"games/{path.name}")
    elif kind == "7z":
        with py7zr.SevenZipFile(target, "w") as archive:
            for path in games:
                archive.write(path, f"games/{path.name}")
    else:
        target = folder / "gz"
        target.mkdir()
        for path in games:
            content = path.read_bytes()  # in two pieces, as packers with several threads make them
            pieces = gzip.compress(content[:5000]) + gzip.compress(content[5000:])
            (target / f"{path.name}.gz").write_bytes(pieces)
    return target


@pytest.mark.parametrize("kind", ["zip", "7z", "gz"])
@pytest.mark.parametrize("workers", [1, 2])
def test_packed_replays_are_read_as_they_lie(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, kind: str, workers: int
) -> None:
    games = sorted(demo_folder.glob("*.slp"))
    target = packed(tmp_path, kind, games)
    (tmp_path / "games").mkdir()
    files = find_replays([str(target)])
    facts = look_at(files, index, sink=Collector(str(tmp_path / "games")), workers=workers)
    plain = look_at(find_replays([str(demo_folder)]), index)
    assert without_names(facts) == without_names(plain)
    assert {path.name for path in (tmp_path / "games").iterdir()} == {item.sha256 for item in plain}
    # Nothing was unpacked beside it.
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cache", "games", target.name])


ODD = ["../up.slp", "/root/abs.slp", "C:/drive.slp", "./dot.slp", "a/../b.slp", "twice.slp", "twice.slp", "3"]


@pytest.mark.parametrize("kind", ["zip", "7z"])
def test_odd_names_in_an_archive_keep_nothing_from_being_read(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, kind: str
) -> None:
    games = sorted(demo_folder.glob("*.slp"))
    contents = [path.read_bytes() for path in games]
    target = tmp_path / f"odd.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that is used twice
        if kind == "zip":
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
                for number, name in enumerate(ODD):
                    zipped.writestr(name, contents[number % 6])
        else:
            with py7zr.SevenZipFile(target, "w") as archive:
                for number in range(len(ODD)):
                    archive.writestr(contents[number % 6], f"{number}.slp")
                for entry, name in zip(archive.files.files_list, ODD, strict=True):
                    entry["filename"] = name  # which py7zr would refuse to write
    files = find_replays([str(target)])
    assert {file.member for file in files} == {name for name in ODD if name.endswith(".slp")}
    facts = {item.file.partition("!")[2]: item for item in look_at(files, index, workers=1)}
    assert [item.reason for item in facts.values()] == [None] * len(files)
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    assert [facts[name].sha256 for name in ODD[:5]] == hashes[:5]
    assert facts["twice.slp"].sha256 in {hashes[5], hashes[0]}
    if kind == "zip":  # what comes later replaces what has its name, as when it is unpacked
        assert facts["twice.slp"].sha256 == hashes[0]
        assert len(files) == len(set(ODD)) - 1
    assert not (tmp_path.parent / "up.slp").exists()


@pytest.mark.parametrize("kind", ["zip", "7z"])
def test_an_archive_in_an_archive_is_named_and_what_macos_adds_is_not(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, kind: str
) -> None:
    first, second, *_ = sorted(demo_folder.glob("*.slp"))
    inner, target = packed(tmp_path, "zip", [first]), tmp_path / f"outer.{kind}"
    (tmp_path / "junk").write_bytes(b"junk")
    members = {"in/set.zip": inner, "b.slp": second, "__MACOSX/._b.slp": tmp_path / "junk"}
    with zipfile.ZipFile(target, "w") if kind == "zip" else py7zr.SevenZipFile(target, "w") as archive:
        for name, path in members.items():
            archive.write(path, name)
    facts = {item.file.partition("!")[2]: item.reason for item in look_at(find_replays([str(target)]), index)}
    assert facts == {
        "b.slp": None,
        "in/set.zip": "unreadable: an archive in an archive; unpack the outer one",
    }


@pytest.mark.parametrize("header", [False, True])
def test_an_encrypted_archive_says_that_it_is(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, header: bool
) -> None:
    target = tmp_path / "secret.7z"
    with py7zr.SevenZipFile(target, "w", password="x") as archive:
        archive.set_encrypted_header(header)
        archive.write(min(demo_folder.glob("*.slp")), "a.slp")
    said = "the archive is encrypted: unpack it with its password"
    if header:
        with pytest.raises(ExphilError, match=said):
            find_replays([str(target)])
        return
    (facts,) = look_at(find_replays([str(target)]), index)
    assert facts.reason == f"unreadable: {said}"


@pytest.mark.parametrize("kind", ["zip", "7z"])
@pytest.mark.parametrize("where", [0.3, 0.7])
def test_a_damaged_archive_gives_what_it_can_and_says_what_it_can_t(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, kind: str, where: float
) -> None:
    target = packed(tmp_path, kind, sorted(demo_folder.glob("*.slp")))
    content = bytearray(target.read_bytes())
    at = int(len(content) * where)
    content[at : at + 40] = bytes(40)
    target.write_bytes(content)
    files = find_replays([str(target)])
    facts = look_at(files, index, workers=1)
    reasons = [item.reason for item in facts]
    assert len(reasons) == len(files) == 6
    bad = [reason for reason in reasons if reason is not None]
    assert bad
    assert all(reason.startswith("unreadable") for reason in bad)
    if kind == "zip":
        assert len(bad) < 3


def test_a_solid_block_is_one_job_and_others_are_shared_out() -> None:
    solid = [ReplayFile(path="/a.7z", member=f"{i}.slp", block=i % 2) for i in range(10)]
    plain = [ReplayFile(path=f"/{i}.slp") for i in range(20)]
    zipped = [ReplayFile(path="/b.zip", member=f"{i}.slp") for i in range(3)]
    jobs = list(plan([*solid, *plain, *zipped], 2))
    assert sorted(file for job in jobs for file in job) == sorted([*solid, *plain, *zipped])
    kinds = [{(file.path if file.member else "", file.block) for file in job} for job in jobs]
    assert all(len(kind) == 1 for kind in kinds)
    assert kinds.count({("/a.7z", 0)}) == kinds.count({("/a.7z", 1)}) == 1
    assert kinds.count({("", 0)}) > 2


@pytest.mark.parametrize("content", [b"", b"this is no database" * 1000, "cut"])
def test_a_damaged_index_is_set_aside_and_made_anew(
    demo_folder: Path, tmp_path: Path, content: bytes | str
) -> None:
    files = find_replays([str(demo_folder)])
    said: list[str] = []
    with ReplayIndex(tmp_path, said.append) as index:
        first = look_at(files, index)
        path = index.path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)  # type: ignore[arg-type]
    with ReplayIndex(tmp_path, said.append) as index:
        assert look_at(files, index) == first
        assert look_at(files, index) == first
    assert len(said) == (1 if content else 0)
    assert len(list(tmp_path.glob("damaged-*"))) == len(said)


def test_without_a_place_for_the_index_facts_are_kept_for_the_run(demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    files = find_replays([str(demo_folder)])
    with ReplayIndex(tmp_path / "file", said.append) as index:
        assert len(look_at(files, index)) == len(files)
        assert index.facts(files[0]) is not None
    assert len(said) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_reader_s_files_are_read_by_another(
    demo_folder: Path, tmp_path: Path, index: ReplayIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = []
    real = workers._Worker.give

    def give(self: workers._Worker, job: workers.Job) -> None:
        real(self, job)
        if not killed:
            while self.busy.value < 0:
                pass
            os.kill(self.process.pid or 0, signal.SIGKILL)
            killed.append(job)

    monkeypatch.setattr(workers._Worker, "give", give)
    files = find_replays([str(demo_folder)])
    facts = look_at(files, index, workers=2)
    lost = [item for item in facts if item.reason is not None]
    assert killed
    assert len(lost) == 1
    assert lost[0].reason == "unreadable: the reader died of it (exit status -9)"
    assert all(item.reason is None for item in look_at(files, index, workers=1))
