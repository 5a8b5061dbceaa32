"""`exphil plugins install` and `uninstall` up to the pip command, `--no-plugin`, and plugins that kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exphil_core import plugin_installer
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_installer import arrivals, install_command, run_pip, stamps, uninstall_command
from exphil_core.plugin_manager import installed_plugins, load_plugins
from exphil_core.scaffold import plan_plugin, plugin_names, write_plugin

PIP = [sys.executable, "-m", "pip"]


@pytest.fixture
def new(tmp_path: Path) -> Any:
    """Writes a plugin with one preset."""

    def write(name: str, hook: str = "exphil_presets") -> Path:
        folder = tmp_path / "new" / name
        write_plugin(folder, plan_plugin(plugin_names(name), [hook]))
        return folder

    return write


def test_install_is_pip_of_this_interpreter() -> None:
    assert install_command(["exphil-char-zelda", "./wheel.whl"]) == [
        *PIP, "install", "exphil-char-zelda", "./wheel.whl",
    ]  # fmt: skip
    assert install_command([], ["a", "b"]) == [*PIP, "install", "--editable", "a", "--editable", "b"]


@pytest.mark.parametrize("arguments", [(["--upgrade"],), (["a"], ["-r"]), ([],)])
def test_flags_of_pip_and_nothing_at_all_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError, match=r"is a flag of pip|nothing to install"):
        install_command(*arguments)


def test_uninstall_takes_any_spelling_of_a_plugins_name(site: Any, new: Any) -> None:
    site.place(new("exphil-tried"))
    assert uninstall_command(["Exphil_Tried"]) == [*PIP, "uninstall", "--yes", "exphil-tried"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("exphil-core", "exphil-core is ExPhil itself"),
        ("Exphil_Core", "exphil-core is ExPhil itself"),
        ("exphil-tride", 'unknown plugin "exphil-tride" .did you mean "exphil-tried"'),
        ("numpy", "numpy is no plugin: it registers nothing with ExPhil; .* pip uninstall numpy"),
        ("-y", "is a flag of pip"),
    ],
)
def test_uninstall_refuses_what_is_no_plugin(name: str, sentence: str, site: Any, new: Any) -> None:
    site.place(new("exphil-tried"))
    with pytest.raises(UsageError, match=sentence):
        uninstall_command(["exphil-tried", name])


def test_without_pip_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_installer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExphilError, match=rf"has no pip; try: uv pip install --python {sys.executable} a$"):
        run_pip(install_command(["a"]))
    with pytest.raises(ExphilError, match=rf"uv pip uninstall --python {sys.executable} a$"):
        run_pip([*PIP, "uninstall", "--yes", "a"])


def test_a_failing_pip_is_an_error() -> None:
    with pytest.raises(ExphilError, match=r"pip failed \(exit status 7\)"):
        run_pip([sys.executable, "-c", "raise SystemExit(7)", "install"])


def test_what_arrives_is_told_with_its_problems(site: Any, new: Any, breakages: Any) -> None:
    site.place(new("exphil-there"))
    before = stamps()
    site.place(new("exphil-good"))
    broken = breakages[0].apply(
        site.place(new("exphil-bad", "exphil_naming_schemes")), "exphil_naming_schemes"
    )
    bad, good = arrivals(before, [])
    assert (good.distribution, good.registered, good.problems) == ("exphil-good", (("preset", "good"),), ())
    assert (bad.distribution, bad.registered) == ("exphil-bad", ())
    assert [problem.reason for problem in bad.problems] == [broken]
    (there,) = arrivals(stamps(), ["exphil_there>=0"])
    assert there.registered == (("preset", "there"),)
    assert arrivals(stamps(), ["numpy"]) == []


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for pip: what it does when it is run, and the commands that it got."""
    calls: list[Any] = []

    def run(command: list[str]) -> None:
        calls.append(command[3:])
        for action in [c for c in calls if callable(c)]:
            action()

    monkeypatch.setattr(plugin_installer, "run_pip", run)
    return calls


def test_install_shows_what_it_brought(site: Any, new: Any, exphil: Any, pip: list[Any]) -> None:
    folder = new("exphil-good")
    pip.append(lambda: site.place(folder))
    status, out, err = exphil("plugins", "install", "--editable", folder)
    assert (status, err) == (0, "")
    assert out.startswith("exphil-good 0.1.0 registers: preset good\n")
    assert pip[1:] == [["install", "--editable", str(folder)]]


def test_install_of_a_broken_plugin_shows_its_problems(
    site: Any, new: Any, exphil: Any, pip: list[Any], breakages: Any
) -> None:
    folder = new("exphil-bad")
    pip.append(lambda: breakages[0].apply(site.place(folder), "exphil_presets"))
    status, out, _ = exphil("plugins", "install", folder)
    assert status == 1
    assert "exphil-bad 0.1.0 registers: nothing\nexphil-bad (load)\n  raised RuntimeError: broken" in out


def test_install_of_no_plugin_says_so(exphil: Any, pip: list[Any]) -> None:
    status, out, err = exphil("plugins", "install", "numpy")
    assert (status, out) == (1, "")
    assert err == "exphil: pip installed it, but it is no plugin: it registers nothing with ExPhil\n"


def test_dry_runs_show_the_command_and_run_nothing(site: Any, new: Any, exphil: Any, pip: list[Any]) -> None:
    site.place(new("exphil-tried"))
    assert exphil("plugins", "install", "--dry-run", "a b") == (
        0,
        f"{sys.executable} -m pip install 'a b'\n",
        "",
    )
    assert exphil("plugins", "uninstall", "--dry-run", "exphil-tried") == (
        0,
        f"{sys.executable} -m pip uninstall --yes exphil-tried\n",
        "",
    )
    assert pip == []


def test_wrong_usage_is_told_in_one_line(exphil: Any, pip: list[Any]) -> None:
    for arguments in (
        ("install",),
        ("uninstall",),
        ("uninstall", "exphil-core"),
        ("uninstall", "exphil-nix"),
    ):
        status, out, err = exphil("plugins", *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1), err
    assert pip == []


def test_a_plugin_that_ends_the_process_can_be_removed(site: Any, new: Any, exphil: Any) -> None:
    path = site.place(new("exphil-deadly"))
    path.write_text("import os\nos._exit(9)\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "exphil_core", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    assert run("presets", "list").returncode == 9
    for arguments in (
        ("plugins", "uninstall", "--dry-run", "exphil-deadly"),
        ("plugins", "install", "--dry-run", "exphil-other"),
        ("--no-plugin", "exphil-deadly", "plugins", "check"),
        ("--no-plugin", "exphil-deadly", "--help"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    with pytest.raises(
        ExphilError, match=r"no longer starts with it .exit status 9.*uninstall exphil-deadly"
    ):
        arrivals(stamps(), ["exphil-deadly"])


# --no-plugin


def test_no_plugin_leaves_a_distribution_out(site: Any, new: Any, exphil: Any) -> None:
    for name in ("exphil-one", "exphil-two"):
        site.place(new(name))
    assert {"one", "two"} <= set(load_plugins().names("exphil_presets"))
    assert "one" not in load_plugins(without=["Exphil_One"]).names("exphil_presets")
    status, out, err = exphil("--no-plugin", "exphil-one", "plugins", "list", "--hook", "presets")
    assert (status, err) == (0, "")
    assert "exphil-one" not in out
    assert "exphil-two" in out
    both = ("--no-plugin", "exphil-one", "--no-plugin", "exphil-two")
    assert "exphil-two" not in exphil(*both, "presets", "list")[1]
    assert 'unknown preset "one"' in exphil(*both, "presets", "show", "one")[2]


def test_no_plugin_silences_a_broken_one(site: Any, new: Any, exphil: Any, breakages: Any) -> None:
    breakages[0].apply(site.place(new("exphil-bad")), "exphil_presets")
    assert exphil("plugins", "check")[0] == 1
    status, _, err = exphil("--no-plugin", "exphil-bad", "plugins", "check")
    assert (status, err) == (0, "")


def test_no_plugin_settles_a_contested_name(site: Any, new: Any, exphil: Any) -> None:
    site.place(new("exphil-one"))
    other = new("exphil-two")
    module = other / "src" / "exphil_two" / "plugin.py"
    module.write_text(module.read_text().replace('name="two"', 'name="one"'))
    site.place(other)
    status, _, err = exphil("presets", "show", "one")
    assert status == 2
    assert "comes from both exphil-one and exphil-two" in err
    assert exphil("--no-plugin", "exphil-two", "presets", "show", "one")[0] == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("exphil-tride", 'exphil: unknown plugin "exphil-tride" (did you mean "exphil-tried"?)\n'),
        ("exphil-core", "exphil: exphil-core can't be left out: it is ExPhil itself\n"),
    ],
)
def test_no_plugin_refuses_unknown_names(name: str, sentence: str, site: Any, new: Any, exphil: Any) -> None:
    site.place(new("exphil-tried"))
    for command in (("plugins", "list"), ("presets", "list")):
        assert exphil("--no-plugin", name, *command) == (2, "", sentence)


def test_no_plugin_behind_the_command_is_told_where_it_belongs(exphil: Any) -> None:
    for command in (("presets", "list"), ("train", "--demo"), ("prune",)):
        status, _, err = exphil(*command, "--no-plugin", "exphil-a")
        assert status == 2
        assert "--no-plugin comes before the command: exphil --no-plugin NAME COMMAND" in err


def test_what_is_installed_is_known_without_loading_it(site: Any, new: Any) -> None:
    site.place(new("exphil-tried")).write_text("raise SystemExit(3)\n")
    assert installed_plugins()["exphil-tried"] == "0.1.0"
    assert "exphil-core" in installed_plugins()
