"""Names and paths that are safe on every system, and that never lead out of the checkpoints folder.

Paths in a registry or config file are relative and POSIX, so that the folder can be moved and read on
Windows. They are checked as if an enemy had written the file.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path

from exphil_core.errors import ExphilError

ARCHIVE = "archive"
MAX_PART = 200  # bytes of one name; file systems allow 255, and temporary files need 18 more
MAX_STEM = 160  # leaves room for the longest ending

# What Windows refuses or treats as a device, whatever the extension.
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in (*range(10), "¹", "²", "³")}
)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_LEADING_ELSEWHERE = (0xA000000C, 0xA0000003)  # Windows: symbolic link, junction
# Almost every path there is, recognised at once; whatever doesn't match is looked at part by part.
_PLAIN_PART = r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:[./]|$))[a-z0-9](?:[a-z0-9_.-]{0,150}[a-z0-9_-])?"
_PLAIN = re.compile(f"{_PLAIN_PART}(?:/{_PLAIN_PART})*", re.IGNORECASE | re.ASCII)


class UnsafePathError(ExphilError):
    """A path that could lead out of the checkpoints folder."""


def is_reserved(part: str) -> bool:
    """Whether Windows takes this name for a device (`nul`, `con.txt`)."""
    return part.split(".")[0].rstrip(" ").casefold() in _RESERVED


def part_problem(part: str) -> str | None:
    """Why `part` can't be the name of a file or folder on every system, or None."""
    if part in ("", ".", ".."):
        return f'has the part "{part}"'
    if part.startswith((".", "-", " ", "~")):
        return f'has a part that starts with "{part[0]}"'
    if part.endswith((".", " ")):
        return "has a part that ends in a dot or a space"
    if _FORBIDDEN.search(part):
        return "has a character that Windows forbids"
    if any(unicodedata.category(character) in ("Cs", "Cc", "Zl", "Zp") for character in part):
        return "has a control character"
    if is_reserved(part):
        return f'has the part "{part}", a device on Windows'
    if unicodedata.normalize("NFC", part) != part:
        return "has letters that not every system stores alike (not in Unicode's form NFC)"
    if len(part.encode("utf-8")) > MAX_PART:
        return f"has a part longer than {MAX_PART} bytes"
    return None


def relative_problem(text: str) -> str | None:
    """Why `text` isn't a safe relative POSIX path, or None."""
    if _PLAIN.fullmatch(text):
        return None
    if text.startswith("/"):
        return "is absolute"
    return next((problem for part in text.split("/") if (problem := part_problem(part))), None)


def stem_problem(stem: object) -> str | None:
    """Why `stem` can't be the common beginning of a model's files, or None."""
    if not isinstance(stem, str):
        return f"is a {type(stem).__name__}, not a text"
    problem = relative_problem(stem)
    if problem:
        return problem
    if len(stem.encode("utf-8")) > MAX_STEM:
        return f"is longer than {MAX_STEM} bytes"
    parts = stem.casefold().split("/")
    if parts[0] in (ARCHIVE, "registry") or parts[0].startswith("registry."):
        return f'starts with "{stem.split("/")[0]}", which the registry needs itself'
    if any(part.endswith(".state") for part in parts):
        return 'has a part that ends in ".state"'
    if parts[-1].endswith("_policy"):
        return 'ends in "_policy", as the policy file of another model would'
    return None


def inside(folder: Path, relative: str) -> Path:
    """The file that `relative` names below `folder`. Raises UnsafePathError if it could be anywhere else.

    No component may be a symbolic link, even one that stays inside: what is deleted, moved or read is then
    exactly what the path says.
    """
    problem = relative_problem(relative)
    if problem:
        raise UnsafePathError(f'the path "{relative}" {problem}; nothing was touched')
    path = folder
    for part in relative.split("/"):
        path = path / part
        if is_link(path):
            raise UnsafePathError(f"{path} is a symbolic link; nothing behind it was touched")
    return path


def is_link(path: Path) -> bool:
    """Whether `path` is a symbolic link or, on Windows, a junction."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    # Cloud folders tag plain files too; only these two kinds lead elsewhere.
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _LEADING_ELSEWHERE


def folded(text: str) -> str:
    """`text` as a file system that ignores case sees it."""
    return unicodedata.normalize("NFC", text).casefold()


def identity(stem: str) -> str:
    """A model's id: its stem with `/` as `_`."""
    return stem.replace("/", "_")
