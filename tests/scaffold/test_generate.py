"""The files that `exphil plugins new` writes, before anyone runs them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from exphil_core.errors import UsageError
from exphil_core.plugin_manager import HOOKS, load_plugins
from exphil_core.scaffold import claim_free, plan_plugin, plugin_names, write_plugin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
# As long as allowed; shorter ones; with and without a character.
NAMES = ("x" * 50, "exphil-char-mr-game-and-watch-" + "y" * 20, "exphil-a", "exphil-char-kirby")


def in_order(chosen: tuple[str, ...]) -> str:
    return "+".join(hook.removeprefix("exphil_")[:4] for hook in chosen)


@pytest.mark.parametrize("hook", HOOKS)
def test_there_is_a_template_for_every_hook(hook: str) -> None:
    files = plan_plugin(plugin_names("exphil-tried"), [hook])
    module = files["src/exphil_tried/plugin.py"]
    assert f"@hookimpl\ndef {hook}()" in module
    assert "\nexphil_contract = 1\n" in module
    assert sum(name.startswith("tests/test_") for name in files) == 2
    assert f'"{HOOKS[hook][1].__name__}' not in module  # named, not quoted
    assert tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["exphil_core"] == {
        "tried": "exphil_tried.plugin"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_combination_is_formatted_and_lints_clean(name: str, tmp_path: Path) -> None:
    for count in (1, 2, len(HOOKS)):
        for chosen in itertools.combinations(HOOKS, count):
            write_plugin(tmp_path / in_order(chosen) / name, plan_plugin(plugin_names(name), chosen))
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", tmp_path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_nothing_is_left_to_fill_in() -> None:
    for content in plan_plugin(plugin_names("exphil-char-falco"), list(HOOKS)).values():
        assert "$" not in content
        assert content == "" or content.endswith("\n")
        assert not content.endswith("\n\n")


def test_a_characters_plugin_is_for_that_character() -> None:
    files = plan_plugin(plugin_names("exphil-char-gnw"), ["exphil_presets", "exphil_character_features"])
    module = files["src/exphil_char_gnw/plugin.py"]
    assert 'character="gameandwatch"' in module
    assert 'characters=("gameandwatch",)' in module
    assert 'features=("gnw",)' in module
    assert 'base="full"' in module


def test_dependencies_are_those_of_the_code() -> None:
    def dependencies(*hooks: str) -> list[str]:
        files = plan_plugin(plugin_names("exphil-tried"), hooks)
        return [
            d.partition(">")[0] for d in tomllib.loads(files["pyproject.toml"])["project"]["dependencies"]
        ]

    assert dependencies("exphil_presets") == ["exphil-core"]
    assert dependencies("exphil_character_features") == ["exphil-core", "numpy"]
    assert dependencies(*HOOKS) == ["exphil-core", "attrs", "numpy", "torch"]


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "here" / "exphil-tried"
    write_plugin(folder, {"a.txt": "1", "b/c.txt": "2"})
    assert (folder / "b" / "c.txt").read_text() == "2"
    with pytest.raises(UsageError, match="exists already"):
        write_plugin(folder, {"a.txt": "3"})
    assert (folder / "a.txt").read_text() == "1"
    with pytest.raises(FileExistsError):
        write_plugin(tmp_path / "other", {"a": "1", "a/b": "2"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "exphil-tried").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="exists already"):
        write_plugin(tmp_path / "exphil-tried", {"a.txt": "1"})


def test_a_taken_name_is_refused() -> None:
    manager = load_plugins()
    claim_free(manager, plugin_names("exphil-quick"), ["exphil_naming_schemes"])
    with pytest.raises(UsageError, match='preset "quick" comes with exphil-core already'):
        claim_free(manager, plugin_names("exphil-quick"), ["exphil_naming_schemes", "exphil_presets"])


def test_the_templates_are_package_data() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["exphil_core"]
    root = Path(str(resources.files("exphil_core")))
    covered = {path for pattern in patterns for path in root.glob(pattern)}
    everything = {path for path in (root / "scaffold" / "templates").rglob("*") if path.is_file()}
    assert everything
    assert everything <= covered
