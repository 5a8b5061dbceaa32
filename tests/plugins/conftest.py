"""Distributions made on the spot: a module and a dist-info folder, as `pip` would leave them."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WriteDistribution = Callable[..., list[Path]]
Install = Callable[..., str]


def _write(
    folder: Path, name: str, source: str, *, version: str = "1.0", entry_points: str | None = None
) -> list[Path]:
    """Install the distribution `name` into `folder`: one module, one entry point; what was written."""
    module = name.replace("-", "_")
    code = folder / f"{module}.py"
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    code.write_text(textwrap.dedent(source), encoding="utf-8")
    points = entry_points if entry_points is not None else f"[exphil_core]\nplugin = {module}\n"
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "entry_points.txt": points,
        "INSTALLER": "pip\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": f"{code.name},,\n" + "".join(f"{info.name}/{f},,\n" for f in ("METADATA", "RECORD")),
    }
    for file, text in files.items():
        (info / file).write_text(text, encoding="utf-8")
    return [code, info]


@pytest.fixture(scope="session")
def write_distribution() -> WriteDistribution:
    return _write


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution for this test, and restricts loading to those that it installed."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    names: list[str] = []

    def installed(name: str, source: str, **more: str) -> str:
        _write(site, name, source, **more)
        importlib.invalidate_caches()
        names.append(name)
        monkeypatch.setenv("EXPHIL_PLUGINS", ",".join(names))
        return name

    yield installed
    for name in names:
        sys.modules.pop(name.replace("-", "_"), None)
