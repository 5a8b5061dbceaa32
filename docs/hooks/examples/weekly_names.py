"""A folder for each week: `2026-w04/mewtwo_mamba_20260119_123456`."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from exphil_core import NamingSchemeSpec, hookimpl

if TYPE_CHECKING:
    from exphil_core.checkpoints.naming import NameFields

exphil_contract = 1


@hookimpl
def exphil_naming_schemes() -> list[NamingSchemeSpec]:
    return [
        NamingSchemeSpec(
            name="weekly",
            factory="weekly_names:Weekly",
            pattern="{year}-w{week}/{character}_{backbone}_{timestamp}",
            summary="A folder for each week.",
        )
    ]


class Weekly:
    """Reads from the right: the character has no underscore, a backbone may."""

    needs_loss = False
    needs_version = False
    pattern = re.compile(r"\d{4}-w\d\d/([a-z]+)_([a-z0-9_-]+)_(\d{8}_\d{6})(?:_\d+)?")

    def stem(self, fields: NameFields) -> str:
        year, week, _ = fields.created_at.isocalendar()
        time = f"{fields.created_at:%Y%m%d_%H%M%S}"
        return f"{year}-w{week:02}/{fields.character or 'any'}_{fields.backbone}_{time}"

    def parse(self, stem: str) -> dict[str, object] | None:
        match = self.pattern.fullmatch(stem)
        if not match:
            return None
        character, backbone, time = match.groups()
        return {
            "character": None if character == "any" else character,
            "backbone": backbone,
            "created_at": datetime.strptime(time, "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc),
        }
