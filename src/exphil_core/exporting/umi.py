"""A bot for the Universal Melee Interface: a folder that runs by itself, with nothing but its requirements installed.

ExPhil itself and the plugins that the policy needs lie in it (`exphil/`), since nothing may be fetched at run time.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from exphil_core.builtin.export_options import UmiOptions
from exphil_core.checkpoints.needs import distributions_of
from exphil_core.errors import ExphilError, UsageError, unknown_name
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.exporting.vendor import requirements, vendor
from exphil_core.melee.characters import CHARACTERS, find_character
from exphil_core.plugin_manager import CORE_DISTRIBUTION

# The interface that this was measured against.
UMI = "umi-melee==0.1.0"
ALL = "ALL"
MAX_DELAY, LADDER_DELAYS = 30, (18, 21)
# Ours -> UMI's, where upper case isn't enough.
_THEIR_NAMES = {
    "captainfalcon": "CPTFALCON",
    "donkeykong": "DK",
    "drmario": "DOC",
    "iceclimbers": "POPO",
    "younglink": "YLINK",
}


def umi_character(name: str) -> str:
    """UMI's name of the character that we call `name`."""
    return _THEIR_NAMES.get(name, name.upper())


class UmiExporter:
    """Writes run.py, requirements.txt, policy.safetensors and exphil/."""

    def __init__(self, options: UmiOptions) -> None:
        self._options = options

    def export(self, model: ExportedModel, folder: Path) -> Sequence[str]:
        """See `Exporter`."""
        delay = int(model.description["delay"])
        if delay > MAX_DELAY:
            raise ExphilError(
                f"{model.name} was trained with a delay of {delay} frames; UMI takes {MAX_DELAY} at most"
            )
        characters = self._characters(model.description)
        plugins = sorted({*distributions_of(model.description), *_used(model)} - {CORE_DISTRIBUTION})
        values = {
            "name": repr(self._options.name or bot_name(model.name)),
            "characters": repr(characters),
            "delay": repr(delay),
            "temperature": repr(self._options.temperature),
            "plugins": repr(",".join(plugins)),
        }
        template = resources.files("exphil_core.exporting").joinpath("templates").joinpath("umi_run.py.tmpl")
        run = Template(template.read_text(encoding="utf-8")).substitute(values)
        (folder / "run.py").write_text(run, encoding="utf-8")
        shutil.copyfile(model.path, folder / "policy.safetensors")
        shipped = [CORE_DISTRIBUTION, *plugins]
        for name in shipped:
            vendor(name, folder / "exphil")
        wanted = "\n".join([*_EXPLAINED, UMI, *requirements(shipped), ""])
        (folder / "requirements.txt").write_text(wanted, encoding="utf-8")
        return _notes(characters, delay)

    def _characters(self, description: Mapping[str, Any]) -> str | tuple[str, ...]:
        given = self._options.characters
        if given == ("all",):
            return ALL
        if given:
            return tuple(umi_character(_known(name)) for name in given)
        learned = [description["character"]] if description.get("character") else None
        names = learned or description.get("characters") or ()
        if not names or len(names) == len(CHARACTERS):
            return ALL
        return tuple(umi_character(name) for name in names)


# The first lines of requirements.txt.
_EXPLAINED = (
    f"# What the bot was exported with, on Python {sys.version_info.major}.{sys.version_info.minor}. Any torch build",
    "# will do; the one for CPUs is smallest: pip install --index-url https://download.pytorch.org/whl/cpu torch",
)


def bot_name(model: str) -> str:
    """A model's name as a bot's: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-") or "exphil"


def _known(name: str) -> str:
    character = find_character(name)
    if character is None:
        wrong = unknown_name("character", name, [character.name for character in CHARACTERS])
        raise UsageError(f"--option characters: {wrong}")
    return character.name


def _used(model: ExportedModel) -> set[str]:
    """Distributions that the policy needs here; policies of old don't say."""
    manager, description = model.manager, model.description
    entries = [
        manager.get("exphil_backbones", model.policy.shape.backbone),
        *(manager.get("exphil_character_features", name) for name in description["observation"]["features"]),
    ]
    return {entry.origin.distribution for entry in entries}


def _notes(characters: str | tuple[str, ...], delay: int) -> list[str]:
    whom = "every character" if characters == ALL else ", ".join(characters)
    notes = [f"it plays {whom} at a delay of {delay} frames"]
    if delay not in LADDER_DELAYS:
        notes.append(
            f"a delay of {delay} plays on the imitation leaderboard alone; train with --delay 18 or 21 for the others"
        )
    notes.append('check it, in that folder: umi-conform --cmd "python run.py"')
    return notes
