"""Files that are never to be trained on: a list of names, paths or hashes, one a line."""

from __future__ import annotations

import os

from exphil_core.replays.tables import read_table


def read_exclusions(path: str) -> frozenset[str]:
    """What the file at `path` lists. Raises ExphilError if it can't be read."""
    return exclusions_of(read_table("exclude_file", path))


def exclusions_of(text: str) -> frozenset[str]:
    """What is listed in `text`, in the forms that `names_of` and hashes are compared with.

    A line is a file's name (a member's name in an archive), a path, a content hash or a game hash; empty lines and
    those that begin with "#" say nothing.
    """
    lines = text.splitlines()
    listed = [line.strip() for line in lines]
    return frozenset(form for line in listed if line and not line.startswith("#") for form in _forms(line))


def _forms(line: str) -> set[str]:
    if len(line) == 64 and all(ch in "0123456789abcdefABCDEF" for ch in line):
        return {line.lower()}
    if os.path.basename(line) == line:  # noqa: PTH119
        return {line}
    # A path is that file alone, not every file of that name.
    return {os.path.abspath(line), line}  # noqa: PTH100


def names_of(file: str) -> set[str]:
    """The names that the replay called `file` goes by: itself, its file's name, and those of an archive's member."""
    path, _, member = file.partition("!")
    return {file, os.path.basename(path), member, os.path.basename(member)} - {""}  # noqa: PTH119
