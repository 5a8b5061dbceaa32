"""What parts of ExPhil need besides its own requirements, and how users get it."""

from __future__ import annotations

import importlib.util

from exphil_core.specs import ExporterSpec, LoggerSpec


def not_installed(spec: LoggerSpec | ExporterSpec) -> str:
    """What a logger or exporter lacks here, and the way out; empty if nothing. Imports none of it."""
    absent = [name for name in spec.needs if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    what = f'"{spec.install}"' if spec.install else " ".join(absent)
    return f'"{spec.name}" needs {" and ".join(absent)}, not installed here: pip install {what}'
