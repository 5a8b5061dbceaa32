"""One root for every error that the user can put right; only the command line turns it into an exit status."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from exphil_core.wording import one_line


class ExphilError(Exception):
    """Anything the user can fix. Its message is all that the user sees."""

    exit_status = 1


class UsageError(ExphilError):
    """The request itself is wrong: an unknown name, a setting outside its range."""

    exit_status = 2


class UnknownName(UsageError):
    """A name that nothing registered."""


class ContestedName(UsageError):
    """A name that two distributions registered."""


class ReplayError(ExphilError):
    """A replay file that can't be used; the message is the reason, without the file's name."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' (did you mean "x"?)' for the nearest of `known`, or ''."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
    """The error for an unknown `name`: the nearest known one, else all of them."""
    choices = sorted(known)
    suggestion = did_you_mean(name, choices) or f" (there are: {', '.join(choices) or 'none'})"
    return UnknownName(f'unknown {kind} "{one_line(name)}"{suggestion}{hint}')
