"""How long ago a fighter let go of the ledge. This module is read by listings: no numpy here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, hookimpl

exphil_contract = 1


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="ledge-time",
            characters=("marth", "sheik", "fox", "falco"),
            factory="ledge_time.tracker:LedgeTime",
            columns=(
                FeatureColumn(name="hanging", low=0.0, help="1 while on the ledge."),
                FeatureColumn(
                    name="since", low=0.0, help="Frames since then, 60 being 1; 1 before the first time."
                ),
            ),
            summary="Whether a fighter hangs on the ledge, or how long ago it did.",
        )
    ]
