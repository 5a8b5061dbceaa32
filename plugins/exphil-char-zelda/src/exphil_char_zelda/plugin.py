"""What this distribution adds. Imports neither numpy nor torch: `exphil presets list` comes here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, PresetSpec, hookimpl

exphil_contract = 1


def _share(name: str, help: str) -> FeatureColumn:
    return FeatureColumn(name=name, low=0.0, high=1.0, help=help)


# In the order of `DualCharacter.update`.
COLUMNS: tuple[FeatureColumn, ...] = (
    _share("zelda", "1 while she is Zelda."),
    _share("sheik", "1 while she is Sheik."),
    _share("leaving", "1 while she transforms and is still who she was."),
    _share("arriving", "1 while she transforms and is already the other."),
    _share("since_change", "Frames since the last change, 600 being 1; 1 if there was none."),
    _share("other_share", "Share of the game so far, this frame included, that she was the other."),
)


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="zelda",
            base="full",
            character="zelda",
            features=("dual-character",),
            overrides={"window_size": 60},
            notes="Sides that were Zelda at any time, as Zelda and as Sheik; 1 s at a time.",
        )
    ]


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="dual-character",
            characters=("zelda", "sheik"),
            factory="exphil_char_zelda.dual:DualCharacter",
            columns=COLUMNS,
            summary="Zelda or Sheik, whether she transforms, since when, and how much she was the other.",
        )
    ]
