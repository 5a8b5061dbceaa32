"""What a new plugin is called: distribution, package, and the name of what it adds."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys

import attrs

from exphil_core.errors import UsageError, unknown_name
from exphil_core.melee.characters import BY_NAME, Character, find_character
from exphil_core.plugin_manager import CORE_DISTRIBUTION, normalise_distribution

# As Python's packaging allows them, in ASCII.
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
# Leaves every generated line within 110 characters.
LONGEST = 50
PREFIX = "exphil-"
CHARACTER_PREFIX = "exphil-char-"
_KINDS = re.compile(
    r"(char|backbones?|presets?|features?|naming|prune|pruning|log|loggers?|export|exporters?)-(?=.)"
)


@attrs.frozen(kw_only=True)
class PluginNames:
    """`name` is what the plugin's presets, features and so on are called; `character` the one it is for."""

    distribution: str
    package: str
    name: str
    character: Character | None


def plugin_names(text: str) -> PluginNames:
    """Names for a plugin distributed as `text`: ``exphil-char-falco`` adds `falco`, for Falco.

    Raises UsageError for what can't be a distribution or package, is taken, or names no character of Melee
    after ``exphil-char-``.
    """
    if not _DISTRIBUTION.fullmatch(text):
        where = "; say where to write it with --dir" if "/" in text or "\\" in text else ""
        raise UsageError(f'"{text}" can\'t name a distribution: letters, digits, "-", "_" and "."{where}')
    distribution = normalise_distribution(text)
    if len(distribution) > LONGEST:
        raise UsageError(f'"{text}" is longer than {LONGEST} characters')
    package = distribution.replace("-", "_")
    problem = _package_problem(distribution, package)
    if problem:
        raise UsageError(f'"{text}" can\'t name a plugin: {problem}')
    name = _KINDS.sub("", distribution.removeprefix(PREFIX), count=1)
    return PluginNames(
        distribution=distribution,
        package=package,
        name=name,
        character=_character(distribution.removeprefix(CHARACTER_PREFIX))
        if distribution.startswith(CHARACTER_PREFIX)
        else find_character(name),
    )


def _package_problem(distribution: str, package: str) -> str | None:
    if distribution == CORE_DISTRIBUTION:
        return "that is ExPhil itself"
    if not package.isidentifier() or keyword.iskeyword(package):
        return f'Python can\'t import a package called "{package}"; start with {PREFIX}'
    if package in sys.stdlib_module_names or importlib.util.find_spec(package) is not None:
        return f'there is a package "{package}" already; choose another name'
    return None


def _character(name: str) -> Character:
    """The character that `name` begins with: `falco`, `falco-lasers` and `mr-game-and-watch` have one."""
    words = name.split("-")
    for count in range(len(words), 0, -1):
        character = find_character("".join(words[:count]))
        if character is not None:
            return character
    hint = f"; {CHARACTER_PREFIX}… is for a character's plugin"
    raise unknown_name("character", name, BY_NAME, hint)
