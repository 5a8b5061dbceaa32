"""What exporters are given, and what they have to do. A plugin registers one with `exphil_exporters`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager


@attrs.frozen(kw_only=True, eq=False)
class ExportedModel:
    """A model to give away. `name` is fit for a file or a bot, as in ``mewtwo_mamba_20260119_123456``; `path` is the
    policy's file, `policy` what it holds, ready to play, and `description` what it says of itself: `observation`
    (the schema), `controller`, `delay`, `character`, `characters`, `plugins`."""

    name: str
    path: Path
    policy: Policy
    description: Mapping[str, Any]
    manager: PluginManager


class Exporter(Protocol):
    """Writes a model in one form."""

    def export(self, model: ExportedModel, folder: Path) -> Sequence[str]:
        """Write all of it into `folder`, which is there and empty, and give lines that tell the user what to do with
        it, or none. ExphilError for what the user can put right. The folder takes its name only afterwards: nothing
        in it may depend on where it is."""
        ...
