"""`docs/first-plugin.md`, typed from beginning to end in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exphil_core.scaffold import plan_plugin, plugin_names, write_plugin

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-plugin.md"
# A file's name in bold stands right before the block that it gets.
STEP = re.compile(
    r"(?:\*\*`(?P<path>[^`]+)`\*\*\n\n```python\n(?P<code>.*?)```)|(?:```sh\n(?P<shell>.*?)```)", re.DOTALL
)


def script(page: str) -> str:
    """The page as one shell script: files are written where they are shown."""
    parts = ["set -eux"]
    for step in STEP.finditer(page):
        if step["path"]:
            parts.append(f"cat > {step['path']} <<'END OF FILE'\n{step['code']}END OF FILE")
        else:
            parts.append(step["shell"])
    return "\n".join(parts)


def test_every_block_of_the_page_is_part_of_the_script() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```") == 2 * len(list(STEP.finditer(page)))
    assert script(page).count("END OF FILE\n") >= 3


def test_its_files_fit_into_what_was_generated_and_lint_clean(tmp_path: Path) -> None:
    files = plan_plugin(plugin_names("exphil-char-falco"), ["exphil_character_features", "exphil_presets"])
    shown = {step["path"]: step["code"] for step in STEP.finditer(PAGE.read_text("utf-8")) if step["path"]}
    assert len(shown) == 3
    assert set(shown) <= set(files)
    write_plugin(tmp_path / "exphil-char-falco", {**files, **shown})
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", tmp_path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.all_only
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_the_page_works_as_written(environment: Any, tmp_path: Path) -> None:
    environment.plugins = "exphil-char-falco"
    (tmp_path / "script.sh").write_text(script(PAGE.read_text(encoding="utf-8")))
    out, _ = environment.run(shutil.which("bash") or "sh", "script.sh", cwd=tmp_path)
    assert "exphil-char-falco 0.1.0 registers: preset falco, character feature falco" in out
    assert out.count(" passed") == 2
    assert re.search(r"features +lasers +preset falco \(exphil-char-falco\)", out)
    assert "registered gru_" in out
    assert out.splitlines()[-1] == "2 distributions, no problems: exphil-char-falco, exphil-core"
    folder = tmp_path / "exphil-char-falco"
    environment.run("python", "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "src", cwd=folder)
    environment.run("exphil", "plugins", "uninstall", "exphil-char-falco")
