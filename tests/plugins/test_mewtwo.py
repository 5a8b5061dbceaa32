"""A plugin of its own: installed, its preset is there with its origin; without it, one is told how to get it."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from exphil_core.cli.main import run

DISTRIBUTION = "exphil-char-mewtwo"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{DISTRIBUTION} is not installed (make install does it)")
    monkeypatch.setenv("EXPHIL_PLUGINS", DISTRIBUTION)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert run(["presets", "list", "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("installed")
def test_installed_its_preset_is_listed_with_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    row = listed(capsys)["mewtwo"]
    assert (row["origin"], row["base"]) == (DISTRIBUTION, "full")
    assert run(["presets", "list"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("mewtwo ")]
    assert DISTRIBUTION in line
    assert run(["characters", "list"]) == 0
    assert "teleport" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_installed_each_setting_knows_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "show", "mewtwo", "--resolved", "--json"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["window_size"] == {"value": 90, "origin": f"preset mewtwo ({DISTRIBUTION})"}
    assert settings["features"]["value"] == ["teleport", "shadow-ball"]
    assert settings["backbone"]["origin"] == "preset full (exphil-core)"


def test_uninstalled_it_is_gone_and_one_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    assert "mewtwo" not in listed(capsys)
    for command in (["train", "--preset", "mewtwo", "--demo"], ["presets", "show", "mewtwo"]):
        assert run(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"pip install {DISTRIBUTION}" in line


def test_uninstalled_its_feature_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    assert run(["train", "--features", "teleport", "--demo"]) == 2
    assert 'unknown character feature "teleport"' in capsys.readouterr().err
