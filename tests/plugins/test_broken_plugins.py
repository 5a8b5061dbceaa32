"""Five broken plugins, each installed in a real virtual environment: the commands go on, one line says why.

The environment is one of its own (`python -m venv`) that also sees the packages of this one, so that nothing needs
to be downloaded; a plugin is installed as pip does it, by its module and its dist-info folder.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from exphil_core.sandbox import make_replays

WriteDistribution = Callable[..., list[Path]]
HEAD = "from exphil_core import PresetSpec, hookimpl\n"
BROKEN = {
    "broken-on-import": "raise RuntimeError('no luck today')",
    "broken-in-a-hook": HEAD + "@hookimpl\ndef exphil_presets():\n    return 1 / 0",
    "misspelled-hook": HEAD + "@hookimpl\ndef exphil_preset():\n    return [PresetSpec(name='x')]",
    "wrong-thing": HEAD + "@hookimpl\ndef exphil_backbones():\n    return 'mamba'",
    "copycat": HEAD + "@hookimpl\ndef exphil_presets():\n    return [PresetSpec(name='quick')]",
}
SAID = {
    "broken-on-import": "raised RuntimeError: no luck today",
    "broken-in-a-hook": "exphil_presets raised ZeroDivisionError: division by zero",
    "misspelled-hook": "there is no hook exphil_preset; did you mean exphil_presets?",
    "wrong-thing": "exphil_backbones raised TypeError: returned str, not a list of BackboneSpec",
    "copycat": 'preset "quick" is already registered by exphil-core',
}


@attrs.frozen
class Environment:
    """A virtual environment in which `exphil` runs."""

    python: Path
    packages: Path

    def exphil(self, *args: str) -> subprocess.CompletedProcess[str]:
        environ = {
            k: v for k, v in os.environ.items() if k not in ("EXPHIL_PLUGINS", "PYTHONPATH", "EXPHIL_DEBUG")
        }
        return subprocess.run(
            [self.python, "-m", "exphil_core", *args],
            capture_output=True,
            text=True,
            env=environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "300"},
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    windows = os.name == "nt"
    python = folder / ("Scripts/python.exe" if windows else "bin/python")
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    # addsitedir, unlike a plain path, also follows the .pth files of editable installs.
    lines = [f"import site; site.addsitedir({path!r})" for path in sorted(here) if Path(path).is_dir()]
    (packages / "the_other_environment.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Environment(python, packages)


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replays")
    make_replays(folder, games=3, minutes=0.3, seed=1)
    return folder


@pytest.fixture
def with_plugin(
    environment: Environment, write_distribution: WriteDistribution
) -> Iterator[Callable[[str], Environment]]:
    written: list[Path] = []

    def installed(name: str) -> Environment:
        written.extend(write_distribution(environment.packages, name, BROKEN[name]))
        return environment

    yield installed
    for path in written:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def lines_about(name: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if name in line]


@pytest.mark.parametrize("name", BROKEN)
def test_listings_go_on_with_one_line_that_names_it(
    name: str, with_plugin: Callable[[str], Environment]
) -> None:
    environment = with_plugin(name)
    for command in (["--help"], ["plugins", "list"], ["presets", "list"]):
        done = environment.exphil(*command)
        assert done.returncode == 0, done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"exphil: plugin {name}: ")
        assert SAID[name] in line
        assert "standard" in done.stdout or command == ["--help"]


@pytest.mark.parametrize("name", BROKEN)
def test_check_shows_it_whole_and_exits_1(name: str, with_plugin: Callable[[str], Environment]) -> None:
    environment = with_plugin(name)
    done = environment.exphil("plugins", "check")
    assert (done.returncode, done.stderr) == (1, "")  # once is enough
    assert name in done.stdout
    assert SAID[name] in done.stdout
    assert "way out: " in done.stdout
    told = environment.exphil("plugins", "check", "--json")
    assert (told.returncode, told.stderr) == (1, "")
    (problem,) = json.loads(told.stdout)
    assert problem["distribution"] == name
    assert set(problem) == {"distribution", "phase", "reason", "remedy"}


# What listings load and say of each, training does too, but takes two seconds of torch to get there.
@pytest.mark.parametrize(
    "name",
    [name if name == "wrong-thing" else pytest.param(name, marks=pytest.mark.all_only) for name in BROKEN],
)
def test_training_goes_on_with_one_line_that_names_it(
    name: str, with_plugin: Callable[[str], Environment], replays: Path, tmp_path: Path
) -> None:
    environment = with_plugin(name)
    run = ["--epochs", "1", "--max-steps", "2", "--threads", "1", "--progress", "plain"]
    paths = ["--replays", str(replays), "--checkpoints", str(tmp_path / "models")]
    done = environment.exphil("train", "--preset", "standard", *run, *paths)
    assert done.returncode == 0, done.stderr
    (line,) = lines_about(name, done)
    assert SAID[name] in line
    assert "registered" in done.stdout
    assert len(json.loads((tmp_path / "models" / "registry.json").read_text())["models"]) == 1


def test_a_contested_preset_is_refused_naming_both(
    with_plugin: Callable[[str], Environment], replays: Path, tmp_path: Path
) -> None:
    environment = with_plugin("copycat")
    models = tmp_path / "models"
    done = environment.exphil(
        "train", "--preset", "quick", "--replays", str(replays), "--checkpoints", str(models)
    )
    assert done.returncode == 2
    assert 'exphil: preset "quick" comes from both exphil-core and copycat' in done.stderr
    assert not models.exists()
    assert "quick" not in environment.exphil("presets", "list").stdout


def test_all_five_at_once(with_plugin: Callable[[str], Environment]) -> None:
    for name in BROKEN:
        environment = with_plugin(name)
    done = environment.exphil("backbones", "list")
    assert done.returncode == 0
    assert "gru" in done.stdout
    assert len(done.stderr.splitlines()) == len(BROKEN)
    assert all(len(lines_about(f"plugin {name}:", done)) == 1 for name in BROKEN)


def test_without_any_there_is_nothing_to_say(environment: Environment) -> None:
    done = environment.exphil("plugins", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems" in done.stdout
