"""Whether it was a plugin's network that failed, and whom to tell."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from exphil_core.checkpoints.needs import BACKBONE
from exphil_core.errors import ExphilError
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import CORE_DISTRIBUTION, PluginManager


def blamed(error: Exception, policy: Policy, manager: PluginManager) -> Exception:
    """`error`, or one line that names the plugin if `error` came out of a network that is a plugin's."""
    name = policy.shape.backbone
    origin = manager.get(BACKBONE, name).origin
    known = isinstance(error, (ExphilError, OSError, MemoryError, torch.OutOfMemoryError))
    if known or origin.distribution == CORE_DISTRIBUTION or not _passed_through(error, policy):
        return error
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    failure = ExphilError(
        f"plugin {origin.distribution} {origin.version}: backbone {name} failed ({said}); take another --backbone, "
        "or tell its author (EXPHIL_DEBUG=1 shows where)"
    )
    failure.__cause__ = error
    return failure


@contextmanager
def blaming(policy: Policy, manager: PluginManager) -> Iterator[None]:
    """What goes wrong within is `blamed`."""
    try:
        yield
    except Exception as error:
        found = blamed(error, policy, manager)
        if found is error:
            raise
        raise found from error


def _passed_through(error: Exception, policy: Policy) -> bool:
    """Whether the policy was at work, or its backbone alone. What a backbone gives may be what fails behind it."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    at_work = (frame.f_locals.get("self") for frame in frames)
    return any(each is policy or each is policy.backbone for each in at_work)
