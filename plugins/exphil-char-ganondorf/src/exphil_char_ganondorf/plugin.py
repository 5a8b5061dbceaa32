"""What this distribution adds. Imports neither numpy nor torch: `exphil presets list` comes here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, PresetSpec, hookimpl

exphil_contract = 1


def _flag(name: str, help: str) -> FeatureColumn:
    return FeatureColumn(name=name, low=0.0, high=1.0, help=help)


def _way(name: str, whose: str) -> tuple[FeatureColumn, FeatureColumn]:
    return (
        FeatureColumn(
            name=f"{name}_x",
            mirrored=True,
            help=f"Way to the opponent along x, 4 of {whose} reaches being 1.",
        ),
        FeatureColumn(
            name=f"{name}_y", help=f"Way to the opponent upwards, 4 of {whose} reaches up being 1."
        ),
    )


# In the order of `Spacing.update`.
COLUMNS: tuple[FeatureColumn, ...] = (
    *_way("own", "his own"),
    *_way("opponent", "the opponent's"),
    _flag("in_own", "1 while the opponent is inside his reach."),
    _flag("in_opponents", "1 while he is inside the opponent's reach."),
    FeatureColumn(name="closing_x", help="How fast the distance along x shrinks, 6 units a frame being 1."),
    FeatureColumn(
        name="closing_y", help="How fast the difference in height shrinks, 6 units a frame being 1."
    ),
    FeatureColumn(name="ahead", help="1 if the opponent is ahead of him, -1 if behind, 0 if right there."),
)


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="ganondorf",
            base="full",
            character="ganondorf",
            features=("spacing",),
            overrides={"window_size": 60},
            notes="Ganondorf's side of each game, with distances in reaches; 1 s at a time.",
        )
    ]


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="spacing",
            characters=("ganondorf",),
            factory="exphil_char_ganondorf.spacing:Spacing",
            columns=COLUMNS,
            summary="Way to the opponent against his own and the opponent's reach, and how fast it shrinks.",
        )
    ]
