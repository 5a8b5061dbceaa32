"""A plugin fresh from `exphil plugins new`, without wheels and pip: it works, and what breaks it is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NAME = "exphil-char-falco"
HOOKS = ("character_features", "presets")


@pytest.fixture
def written(tmp_path: Path, exphil: Any) -> Path:
    status, out, err = exphil(
        "plugins",
        "new",
        NAME,
        *(part for hook in HOOKS for part in ("--hook", hook)),
        "--dir",
        tmp_path / "new",
    )
    assert (status, err) == (0, "")
    assert f"exphil plugins install --editable {tmp_path / 'new' / NAME}" in out
    return tmp_path / "new" / NAME


def test_it_shows_up_and_passes_its_own_tests(written: Path, site: Any, exphil: Any) -> None:
    site.place(written)
    status, out, err = exphil("plugins", "list", "--json")
    assert (status, err) == (0, "")
    found = [(r["hook"], r["name"]) for r in json.loads(out)["registered"] if r["distribution"] == NAME]
    assert found == [("exphil_presets", "falco"), ("exphil_character_features", "falco")]
    assert exphil("plugins", "check")[0] == 0
    assert "preset falco" in exphil("presets", "show", "falco", "--resolved")[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=written,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.mark.parametrize("hook", ["exphil_presets"])
def test_what_is_broken_is_reported_and_nothing_else_suffers(
    written: Path, site: Any, exphil: Any, breakage: Any, hook: str
) -> None:
    reason = breakage.apply(site.place(written), hook)
    status, out, err = exphil("plugins", "check", "--json")
    assert status == 1
    (problem,) = json.loads(out)
    assert (problem["distribution"], problem["phase"], problem["reason"]) == (NAME, breakage.phase, reason)
    assert problem["remedy"]
    assert err == ""
    status, out, err = exphil("plugins", "check")
    assert (status, err) == (1, "")
    assert f"{NAME} ({breakage.phase})\n  {reason}\n  way out: {problem['remedy']}\n" in out
    status, out, _ = exphil("presets", "list")
    assert status == 0
    assert "standard" in out
    assert "falco" not in out


def test_the_name_that_it_adds_must_be_free(written: Path, site: Any, exphil: Any, tmp_path: Path) -> None:
    site.place(written)
    arguments = ("plugins", "new", "exphil-falco", "--hook", "presets", "--dir", tmp_path / "new")
    assert exphil(*arguments) == (
        2,
        "",
        f'exphil: preset "falco" comes with {NAME} already; choose another name than exphil-falco\n',
    )
    assert not (tmp_path / "new" / "exphil-falco").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Missing argument 'NAME'"),
        (("exphil-tried",), "Missing option '--hook'"),
        (("exphil-tried", "--hook", "preset"), 'unknown hook "preset" (did you mean "presets"?)'),
        (("exphil-char-flaco", "--hook", "presets"), 'unknown character "flaco" (did you mean "falco"?)'),
        (("exphil core", "--hook", "presets"), "can't name a distribution"),
        (("exphil-core", "--hook", "presets"), "that is ExPhil itself"),
        (("exphil-quick", "--hook", "presets"), 'preset "quick" comes with exphil-core already'),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: tuple[str, ...], sentence: str, exphil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = exphil("plugins", "new", *arguments)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(written: Path, exphil: Any) -> None:
    before = sorted(written.rglob("*"))
    status, _, err = exphil("plugins", "new", NAME, "--hook", "presets", "--dir", written.parent)
    assert status == 2
    assert "exists already; choose another name or --dir" in err
    assert sorted(written.rglob("*")) == before
