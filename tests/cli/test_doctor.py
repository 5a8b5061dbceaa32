"""`exphil doctor`: what it says, and when its exit status is 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from exphil_core import doctor
from exphil_core.cli.main import cli
from exphil_core.doctor import BROKEN, NOTE, OK, Finding, examine
from exphil_core.errors import ExphilError
from exphil_core.kernels import library, selftest
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins


@pytest.fixture(autouse=True)
def fresh_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test asks for the kernel anew, and builds none: no compiler takes part unless it says so."""
    monkeypatch.setenv("EXPHIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.attempt.cache_clear()
    yield
    library.attempt.cache_clear()


def finding(check: str) -> Finding:
    (found,) = (f for f in examine(load_plugins()) if f.check == check)
    return found


def test_a_machine_without_a_compiler_is_told_what_would_help() -> None:
    found = finding("kernel")
    assert found.status == NOTE
    assert "no C++ compiler" in found.says
    assert "g++" in found.remedy


def test_a_kernel_turned_off_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPHIL_KERNEL", "off")
    assert finding("kernel") == Finding(
        "kernel",
        NOTE,
        "off (EXPHIL_KERNEL=off); mamba, hybrid and gru train more slowly",
        "unset EXPHIL_KERNEL",
    )


def test_a_kernel_that_can_t_be_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPHIL_KERNEL", "fast")
    found = finding("kernel")
    assert found.status == BROKEN
    assert "EXPHIL_KERNEL=fast" in found.says


def test_a_kernel_that_computes_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("EXPHIL_CACHE", str(tmp_path))
    if library.attempt().kernel is None:
        pytest.skip(library.attempt().why)
    assert finding("kernel").status == OK
    monkeypatch.setattr(selftest, "largest_error", lambda: 0.5)
    found = finding("kernel")
    assert found.status == BROKEN
    assert "delete" in found.remedy


def test_a_cache_that_can_t_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EXPHIL_CACHE", str(tmp_path / "file"))
    found = finding("cache")
    assert found.status == BROKEN
    assert str(tmp_path / "file") in found.says


def test_plugins_with_problems_are_broken() -> None:
    manager = PluginManager()
    manager._problem(Provenance("bad", "1", "bad"), "load", "it is bad", "mend it")
    found = list(doctor.check_plugins(manager))
    assert [f.status for f in found] == [BROKEN]
    assert "it is bad" in found[0].says


def test_checks_that_fail_are_findings() -> None:
    def check_dolphin(manager: PluginManager) -> list[Finding]:
        raise ExphilError("no Dolphin at /nowhere")

    def check_moon(manager: PluginManager) -> list[Finding]:
        raise ValueError("it is day")

    assert examine(load_plugins(), [check_dolphin, check_moon]) == [
        Finding("dolphin", BROKEN, "no Dolphin at /nowhere"),
        Finding("moon", BROKEN, "could not be looked at: ValueError: it is day"),
    ]


def test_the_command_prints_every_finding_and_fails_where_something_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = CliRunner().invoke(cli, ["doctor", "--json"])
    assert good.exit_code == 0
    checks = [found["check"] for found in json.loads(good.stdout)]
    assert checks[:4] == ["python", "torch", "kernel", "cuda"]
    assert {"plugins", "cache", "pipes", "dolphin", "iso"} <= set(checks)
    monkeypatch.setenv("EXPHIL_KERNEL", "fast")
    bad = CliRunner().invoke(cli, ["doctor"])
    assert bad.exit_code == 1
    assert "EXPHIL_KERNEL=fast" in bad.stdout
