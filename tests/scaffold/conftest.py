"""Plugins written by `exphil plugins new`: put beside ExPhil without pip, broken in five ways, or installed with pip
in an environment of their own."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import pytest

from exphil_core.plugin_manager import HOOKS

REPOSITORY = Path(__file__).resolve().parents[2]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def exphil(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; gives status, stdout and stderr."""
    from exphil_core.cli.main import run

    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(arg) for arg in args])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def _place(site: Path, folder: Path) -> None:
    """What `pip install folder` leaves in `site`, for a distribution that `plugins new` wrote."""
    name = folder.name
    shutil.copytree(folder / "src", site, dirs_exist_ok=True)
    info = site / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "RECORD").write_text(f"{info.name}/RECORD,,\n")
    package = name.replace("-", "_")
    (info / "entry_points.txt").write_text(f"[exphil_core]\nplugin = {package}.plugin\n")


class Site:
    """A folder on the import path, of this process and of those that it starts."""

    def __init__(self, path: Path, restrict: Callable[[str], None]) -> None:
        self.path, self._restrict = path, restrict
        self.names: list[str] = []

    def place(self, folder: Path) -> Path:
        """Install what lies in `folder`; the path of its plugin module."""
        _place(self.path, folder)
        self.names.append(folder.name)
        self._restrict(",".join(self.names))
        importlib.invalidate_caches()
        return self.path / folder.name.replace("-", "_") / "plugin.py"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", str(path))
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    made = Site(path, lambda names: monkeypatch.setenv("EXPHIL_PLUGINS", names))
    yield made
    for name in made.names:
        package = name.replace("-", "_")
        for module in [m for m in sys.modules if m == package or m.startswith(f"{package}.")]:
            del sys.modules[module]


@attrs.frozen
class Breakage:
    """A way to break a plugin, and what `exphil plugins check` has to say: phase and reason."""

    name: str
    phase: str
    says: str
    added: str = ""
    replaced: tuple[str, str] | None = None

    def apply(self, path: Path, hook: str) -> str:
        """Break the plugin module at `path`; the reason to expect."""
        words = {"hook": hook, "expected": HOOKS[hook][1].__name__, "misspelled": f"{hook[:-1]}z"}
        source = path.read_text()
        if self.replaced:
            before, after = (text.format(**words) for text in self.replaced)
            assert before in source
            source = source.replace(before, after)
        path.write_text(source + self.added.format(**words))
        return self.says.format(**words)


BREAKAGES = (
    Breakage(
        "raises on import",
        "load",
        "raised RuntimeError: broken on import",
        added='\nraise RuntimeError("broken on import")\n',
    ),
    Breakage(
        "raises in the hook",
        "call",
        "{hook} raised RuntimeError: broken in the hook",
        added='\n\n@hookimpl\ndef {hook}():\n    raise RuntimeError("broken in the hook")\n',
    ),
    Breakage(
        "misspelled hook",
        "register",
        "there is no hook {misspelled}; did you mean {hook}?",
        replaced=("def {hook}(", "def {misspelled}("),
    ),
    Breakage(
        "wrong return",
        "call",
        "{hook} raised TypeError: returned str, not a list of {expected}",
        added='\n\n@hookimpl\ndef {hook}():\n    return "nothing of the kind"\n',
    ),
    Breakage(
        "wrong contract number",
        "register",
        "it was written for plugin contract 99, this exphil-core has 1",
        replaced=("exphil_contract = 1", "exphil_contract = 99"),
    ),
)


@pytest.fixture(scope="session")
def breakages() -> tuple[Breakage, ...]:
    return BREAKAGES


@pytest.fixture(params=BREAKAGES, ids=lambda breakage: breakage.name)
def breakage(request: pytest.FixtureRequest) -> Any:
    return request.param


class Environment:
    """A virtual environment with ExPhil installed from a wheel and nothing else of this project."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / "python"
        self.purelib = Path(
            self.run("python", "-c", "import sysconfig as s; print(s.get_path('purelib'))")[0]
        )

    def run(self, *command: object, cwd: Path | None = None, status: int = 0) -> tuple[str, str]:
        """Run a command of this environment; stdout and stderr. Fails the test on any other exit status."""
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, env=self.variables(), capture_output=True, text=True
        )
        said = f"{command} gave {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == status, said
        return done.stdout.strip(), done.stderr.strip()

    def variables(self) -> dict[str, str]:
        """The process environment: no network where it isn't needed, no plugins of the development environment."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("EXPHIL_", "PYTHON", "PIP_"))}
        # Setuptools is mostly there; otherwise pip fetches it. "0" is pip's odd way of saying "no isolation".
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"} if _setuptools_is_new_enough() else {}
        return {
            **inherited,
            **offline,
            "PATH": os.pathsep.join((str(self.bin), os.environ["PATH"])),
            "VIRTUAL_ENV": str(self.path),
            "EXPHIL_PLUGINS": self.plugins,
            "OMP_NUM_THREADS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    plugins = ""


def _setuptools_is_new_enough() -> bool:
    try:
        return int(version("setuptools").partition(".")[0]) >= 77
    except Exception:
        return False


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment as a user has it; torch and the rest come from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(
        REPOSITORY / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    made = Environment(folder / "venv")
    # A plain line: the editable installs of the development environment (.pth files there) stay out.
    paths = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (made.purelib / "development.pth").write_text("\n".join(paths) + "\n")
    # Without one of its own, `pip` would be that of the development environment.
    (made.bin / "pip").write_text(f'#!/bin/sh\nexec "{made.python}" -m pip "$@"\n')
    (made.bin / "pip").chmod(0o755)
    made.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    made.run("python", "-m", "pip", "install", "-q", "--no-deps", "--ignore-installed", wheel)
    assert str(made.path) in made.run("python", "-c", "import exphil_core as e; print(e.__file__)")[0]
    return made
