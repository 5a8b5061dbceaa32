"""The documentation says what the code does: links lead somewhere, examples work, the reference is up to date."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from exphil_core.cli.main import cli
from exphil_core.config.files import read_settings
from exphil_core.config.resolve import resolve
from exphil_core.features.reference import reference as observation_reference
from exphil_core.features.schema import observation_schema
from exphil_core.plugin_manager import PluginManager

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_the_reference_is_what_the_commands_say() -> None:
    command = [
        sys.executable,
        "-c",
        "from exphil_core.cli.reference import reference; print(reference(), end='')",
    ]
    made = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}
    )
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == made.stdout, "run `make docs`"


def test_the_table_of_columns_is_what_the_schema_says() -> None:
    page = (ROOT / "docs/observation.md").read_text(encoding="utf-8")
    assert page == observation_reference(), "run `make docs`"
    for column in (*observation_schema().columns, *observation_schema().ids):
        base = re.sub(r"^(own|opponent)_(partner_|item_\d_)?", "", column.name)
        assert f"`{column.name}`" in page or f"`{base}`" in page, column.name


def test_the_readme_begins_with_the_two_commands_that_the_makefile_has() -> None:
    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    assert re.findall(r"^make (\S+)", readme, re.MULTILINE)[:2] == ["demo", "test"]
    for verb in re.findall(r"make ([a-z-]+)", readme + (ROOT / ".ci/run").read_text()):
        assert re.search(rf"^{verb}:", makefile, re.MULTILINE) or verb == "on", verb


def test_every_command_of_the_readme_is_one_that_exphil_takes() -> None:
    """Commands and flags, as they stand there; what they lead to is tested elsewhere."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    fences = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))
    lines = re.findall(r"^\.venv/bin/exphil (.+)$", fences, re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines]
    assert {words[0] for words in commands} >= {"train", "eval", "export", "play", "registry"}
    for name, *words in commands:
        context = click.Context(cli)
        command = cli.get_command(context, name)
        while isinstance(command, click.Group):
            name, *words = words
            command = command.get_command(context, name)
        assert command is not None, name
        command.make_context(name, words, parent=context)
    assert re.search(r"umi-conform --cmd", fences)


def test_the_settings_file_of_the_training_page_works(manager: PluginManager, tmp_path: Path) -> None:
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "run.toml"
    path.write_text(block)
    settings = read_settings(path)
    config = resolve(manager, preset=settings.preset, layers=[settings.layer]).config
    assert (config.epochs, config.hidden_sizes, config.character) == (20, (128, 128), "fox")


def test_every_reason_for_leaving_a_file_out_is_explained() -> None:
    page = (ROOT / "docs/replays.md").read_text(encoding="utf-8")
    sources = [ROOT / "src/exphil_core/replays" / name for name in ("inspecting.py", "slp.py", "filters.py")]
    texts = [
        text
        for source in sources
        for text in re.findall(r'ReplayError\(\s*f?"([^"{(:]+)', source.read_text())
    ]
    assert len(texts) > 10
    for text in texts:
        kind = text.split(":")[0].split(" (")[0].strip()
        assert kind in page, kind
