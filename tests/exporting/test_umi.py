"""A UMI bot runs by itself, as the league's own conformance test sees it."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import umi
from umi.conform.arena import DummyArena

from exphil_core.checkpoints.store import save_policy
from exphil_core.cli.main import run
from exphil_core.errors import ExphilError
from exphil_core.exporting.export import Exported, export_model
from exphil_core.exporting.umi import UMI, umi_character
from exphil_core.exporting.vendor import PLAYS_WITH
from exphil_core.melee.characters import CHARACTERS
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager
from exphil_core.serving.runner import HOTTEST

PolicyMaker = Callable[..., Policy]
Export = Callable[..., Exported]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def exported(made_policy: PolicyMaker, manager: PluginManager, tmp_path: Path) -> Export:
    """``exported("gru", delay=18, options={"temperature": "0.5"})``: a small policy as a bot."""

    def export(backbone: str = "gru", *, options: Mapping[str, str] | None = None, **policy: Any) -> Exported:
        made = made_policy(backbone, **{"delay": 18, "characters": ["fox", "falco"], **policy})
        path = tmp_path / "little_policy.safetensors"
        save_policy(path, made, made.description)
        return export_model(path, "umi", tmp_path / "bot", options or {}, manager)

    return export


def literals(folder: Path) -> dict[str, Any]:
    """What stands in the body of the bot's class, read as the arena reads it: without running it."""
    tree = ast.parse((folder / "run.py").read_text(encoding="utf-8"))
    (bot,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    assert [ast.unparse(base) for base in bot.bases] == ["umi.Bot"]
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in bot.body
        if isinstance(node, ast.Assign)
    }


def test_name_characters_and_delay_are_literals_and_the_models(exported: Export) -> None:
    told = literals(exported(delay=21, characters=["drmario", "fox"]).folder)
    assert told == {
        "name": "little",
        "characters": ("DOC", "FOX"),
        "delay": 21,
        "deterministic": False,
        "pad": False,
    }


@pytest.mark.parametrize(
    ("policy", "options", "characters"),
    [
        ({"character": "mewtwo", "characters": ["mewtwo"]}, {}, ("MEWTWO",)),
        ({"characters": []}, {}, "ALL"),
        ({"characters": [character.name for character in CHARACTERS]}, {}, "ALL"),
        ({}, {"characters": "gnw,Captain Falcon"}, ("GAMEANDWATCH", "CPTFALCON")),
        ({}, {"characters": "all"}, "ALL"),
    ],
    ids=["one", "unknown", "every", "chosen", "chosen all"],
)
def test_whom_it_plays(exported: Export, policy: Any, options: Any, characters: Any) -> None:
    found = literals(exported(options=options, **policy).folder)["characters"]
    assert found == characters
    assert umi.canonical_characters(found)


def test_every_character_has_its_name_there() -> None:
    theirs = {internal: name for name, internal in umi.frame.CHARACTERS.items()}
    assert {umi_character(c.name): c.internal for c in CHARACTERS} == umi.frame.CHARACTERS
    assert len(theirs) == len(CHARACTERS)


def test_settings_reach_the_bot(exported: Export) -> None:
    folder = exported(options={"name": "Mew's two", "temperature": "0.25"}).folder
    assert literals(folder)["name"] == "Mew's two"
    assert "\nTEMPERATURE = 0.25\n" in (folder / "run.py").read_text()


@pytest.mark.parametrize(
    ("policy", "options", "sentence"),
    [
        ({"delay": 31}, {}, "a delay of 31 frames; UMI takes 30 at most"),
        ({}, {"characters": "flaco"}, r'unknown character "flaco" \(did you mean "falco"'),
        ({}, {"temperature": "-1"}, "--option temperature"),
        ({}, {"temperature": f"{HOTTEST + 1}"}, "--option temperature"),
        ({}, {"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    exported: Export, tmp_path: Path, policy: Any, options: Any, sentence: str
) -> None:
    with pytest.raises(ExphilError, match=sentence):
        exported(options=options, **policy)
    assert [path.name for path in tmp_path.iterdir()] == ["little_policy.safetensors"]


def test_the_zip_is_the_folder_and_the_same_each_time(exported: Export, tmp_path: Path) -> None:
    first = exported()
    assert first.archive == tmp_path / "bot.zip"
    content = first.archive.read_bytes()
    with zipfile.ZipFile(first.archive) as packed:
        assert sorted(packed.namelist()) == list(first.files)
        assert packed.read("run.py") == (first.folder / "run.py").read_bytes()
    assert {"run.py", "requirements.txt", "policy.safetensors"} < set(first.files)
    with pytest.raises(ExphilError, match="there is something already"):
        exported()
    shutil.rmtree(first.folder)
    with pytest.raises(ExphilError, match=r"bot\.zip beside it is there already"):
        exported()
    first.archive.unlink()
    again = exported().archive
    assert again is not None
    assert again.read_bytes() == content


def test_the_command_says_what_it_made_and_what_is_wrong(
    made_policy: PolicyMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = made_policy("mlp", characters=["fox"])
    path = tmp_path / "m_policy.safetensors"
    save_policy(path, policy, policy.description)
    assert run(["export", str(path), "--to", "umi", "--out", str(tmp_path / "bot")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"wrote {tmp_path / 'bot'} and {tmp_path / 'bot.zip'}\n")
    assert "it plays FOX at a delay of 0 frames" in out
    assert "imitation leaderboard alone" in out
    for wrong, status, sentence in (
        (["--to", "umy", "--out", "x"], 2, 'unknown exporter "umy" (did you mean "umi"?)'),
        (["--to", "umi", "--out", "x", "--option", "fast"], 2, "--option fast: give it as NAME=VALUE"),
        (
            ["--to", "umi", "--out", "x", "--option", "temperature=1", "--option", "temperature=2"],
            2,
            "--option temperature is given twice: 1 and 2",
        ),
        (["--to", "umi", "--out", str(tmp_path / "bot")], 1, "there is something already"),
    ):
        assert run(["export", str(path), *wrong]) == status
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count("\n") == 1


def test_a_full_disk_is_told_with_the_folder_that_was_asked_for(
    made_policy: PolicyMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = made_policy("mlp", characters=["fox"])
    path = tmp_path / "m_policy.safetensors"
    save_policy(path, policy, policy.description)
    bot = tmp_path / "a" / "bot"
    for temporary in ((), (str(tmp_path / "a" / ".bot-abc" / "archive"),)):

        def full(folder: Path, archive: Path, name: tuple[str, ...] = temporary) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", *name)

        monkeypatch.setattr("exphil_core.exporting.export.pack", full)
        assert run(["export", str(path), "--to", "umi", "--out", str(bot)]) == 1
        assert capsys.readouterr().err == f"exphil: {bot}: No space left on device\n"
        assert list(bot.parent.iterdir()) == []


class _Here(DummyArena):
    """The conformance test that leaves nothing open behind it."""

    def _stop(self) -> None:
        super()._stop()
        self.conn.close()
        self.reader.join()
        self.proc.stdout.close()


def shortcomings(command: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What doesn't pass in a short version of the test: small batches, five opponents."""
    opponents = ("FOX", "FALCO", "POPO", "YLINK", "ZELDA")
    few = {name: umi.frame.CHARACTERS[name] for name in opponents}
    monkeypatch.setattr("umi.conform.arena.BUCKETS", (1, 8))
    monkeypatch.setattr("umi.conform.arena.CHARACTERS", few)
    checks = _Here(command, steps=30, max_games=16).run()
    assert len(checks) > 12
    return [f"{check.name}: {check.detail}" for check in checks if check.status != "pass"]


@pytest.mark.all_only
@pytest.mark.parametrize("backbone", ["gru", "mlp", "mamba", "sliding_window"])
def test_it_conforms(exported: Export, monkeypatch: pytest.MonkeyPatch, backbone: str) -> None:
    """Quickly, with character features, started from another folder."""
    folder = exported(backbone, features=("teleport",)).folder
    left = shortcomings([sys.executable, "-W", "error", str(folder / "run.py")], monkeypatch)
    assert left == ["determinism: bot does not declare itself deterministic"]


@pytest.fixture
def nothing_but_requirements(tmp_path: Path) -> Iterator[Callable[[Exported], Path]]:
    """A Python that has what requirements.txt asks for, and nothing else."""

    def make(bot: Exported) -> Path:
        home = tmp_path / "venv"
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        python = home / "bin" / "python"
        wanted = bot.folder / "requirements.txt"
        constraints = REPOSITORY / "constraints.txt"
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-r", wanted, "-c", constraints], check=True, timeout=600
        )
        return python

    yield make
    shutil.rmtree(tmp_path / "venv", ignore_errors=True)


@pytest.mark.all_only
def test_it_passes_all_of_umi_conform_with_only_its_requirements(
    exported: Export, nothing_but_requirements: Callable[[Exported], Path], tmp_path: Path
) -> None:
    """The zip, unpacked elsewhere where it can't be written, without a home folder, in real time."""
    bot = exported("gru", features=("spacing",), hidden=(64, 64))
    python = nothing_but_requirements(bot)
    assert bot.archive is not None
    place = tmp_path / "elsewhere" / "unpacked"
    with zipfile.ZipFile(bot.archive) as packed:
        packed.extractall(place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("EXPHIL_CACHE", "EXPHIL_PLUGINS", "PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["HOME"] = "/nonexistent"
    said = []
    for more in ([], ["--realtime"]):
        done = subprocess.run(
            [
                str(python.parent / "umi-conform"),
                "--cmd",
                f"{python} {place / 'run.py'}",
                "--steps",
                "60",
                *more,
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        said.append(done.stdout)
    for path in (place, *(path for path in place.rglob("*") if path.is_dir())):
        path.chmod(0o755)
    assert "\nPASSED: 20 passed, 0 failed, 0 warnings\n" in said[0], said[0]
    # In real time one check more; it is the only one that a busy machine may fail.
    assert ", 0 warnings" in said[1], said[1]
    failed = [line for line in said[1].splitlines() if line.startswith("FAIL ")]
    assert all(line.split()[1:3] == ["real", "time"] for line in failed), said[1]


def test_requirements_are_what_it_imports(exported: Export) -> None:
    """Whatever else is loaded comes with Python or with one of these."""
    bot = exported("mlp", features=("teleport",))
    lines = (bot.folder / "requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines if not line.startswith("#")]
    assert names == [UMI.partition("==")[0], *PLAYS_WITH]
    code = (
        "import sys, importlib.metadata as m; sys.argv = ['run.py']; sys.path.insert(0, sys.argv[0])\n"
        "import runpy; runpy.run_path(sys.orig_argv[-1])\n"
        "owners = m.packages_distributions()\n"
        "print(sorted({d for n in sys.modules for d in owners.get(n.partition('.')[0], ())}))\n"
        "import exphil_core; print(exphil_core.__file__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(bot.folder / "run.py")], capture_output=True, text=True, check=True
    )
    loaded, where = ran.stdout.splitlines()
    known = {*names, "msgpack", "mpmath", "sympy", "typing_extensions", "setuptools", "exphil-core", "attr"}
    assert set(ast.literal_eval(loaded)) <= known
    assert Path(where).is_relative_to(bot.folder)
