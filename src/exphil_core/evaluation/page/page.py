"""The page itself: a template, a style, scripts and the data, in one file that needs nothing else.

Nothing that comes from a replay or a file's name becomes markup: data is JSON in a block that browsers don't run,
and the scripts put it on the page as text. The page's own policy forbids everything but its own style and script, by
their hashes, so that it can't ask the network for anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from exphil_core.evaluation.page.view import view_of
from exphil_core.evaluation.report import EvalReport
from exphil_core.evaluation.timeline import Timeline

SCRIPTS = ("base.js", "charts.js", "sections.js", "stage.js", "strips.js", "viewer.js", "main.js")
# What the curves are drawn from.
CURVES = (
    "epoch", "train_loss", "val_loss", "val_loss_change", "baseline_repeat", "baseline_marginal",
    "baseline_repeat_change", "baseline_marginal_change", "lr",
)  # fmt: skip
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page_of(
    report: EvalReport,
    line: Timeline | None = None,
    *,
    file: str = "",
    history: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page of `report`, with the timeline of one game (read from `file`), and the curves of the run that made the
    model: `history` is one object of metrics an epoch, as config files have it."""
    data = {
        "report": report.as_json(),
        "view": None if line is None else view_of(line, file),
        "history": [{name: _number(epoch.get(name)) for name in CURVES} for epoch in history],
    }
    style, script = _asset("style.css"), _script()
    slots = {
        "title": html.escape(f"{report.model.id}: evaluation"),
        "policy": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
        ),
        "style": style,
        "script": script,
        "data": as_text(data),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def as_text(data: Any) -> str:
    """JSON that can stand in a page: no `<` can end the block that holds it, no byte depends on an encoding."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _number(value: object) -> float | None:
    """A run that diverged has NaN in its history, which JSON has no word for."""
    finite = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if finite else None  # type: ignore[arg-type]


def _script() -> str:
    return '(function () {\n"use strict";\n' + "\n".join(map(_asset, SCRIPTS)) + "\n})();\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _asset(name: str) -> str:
    return (resources.files("exphil_core.evaluation.page") / "assets" / name).read_text("utf-8")
