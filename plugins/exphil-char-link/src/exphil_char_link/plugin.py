"""What this distribution adds. Imports neither numpy nor torch: `exphil presets list` comes here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, PresetSpec, hookimpl

exphil_contract = 1

KINDS = ("bomb", "boomerang", "arrow", "hookshot")


def _share(name: str, help: str) -> FeatureColumn:
    return FeatureColumn(name=name, low=0.0, high=1.0, help=help)


def _vector(name: str, x: str, y: str, help: str) -> tuple[FeatureColumn, FeatureColumn]:
    return (
        FeatureColumn(name=f"{name}_{x}", low=-2.0, high=2.0, mirrored=True, help=f"{help}, along x."),
        FeatureColumn(name=f"{name}_{y}", low=-2.0, high=2.0, help=f"{help}, upwards."),
    )


def _item(
    name: str, who: str, which: str = "the nearest one, an own one if any"
) -> tuple[FeatureColumn, ...]:
    """What is said of every kind; the columns after the first two are of `which` of them."""
    return (
        _share(name, f"1 while {who} is there."),
        _share(f"{name}_count", "How many there are, 4 being 1."),
        *_vector(name, "x", "y", f"Way to {which}, 100 units being 1"),
        _share(f"{name}_age", "Frames since it appeared, 300 being 1."),
    )


def _velocity(name: str) -> tuple[FeatureColumn, FeatureColumn]:
    return _vector(name, "vx", "vy", "Its velocity less one's own, 4 units a frame being 1")


def _arrival(name: str, whom: str) -> tuple[FeatureColumn, ...]:
    """Of those on their way, what is said of the one that arrives first."""
    return (
        _share(f"{name}_soon", f"1 as one gets to {whom}, 0 if none will within 60 frames, as fast as now."),
        FeatureColumn(name=f"{name}_miss", help=f"How far above {whom} it will be then, 25 units being 1."),
        _share(f"{name}_hits", f"1 if it will go through {whom}, 0 if it will miss by 16 units or more."),
    )


def _held(name: str) -> FeatureColumn:
    return _share(f"{name}_held", "1 while it is in hand (on the string, not yet thrown out).")


# In the order of `ItemTracking.update`.
COLUMNS: tuple[FeatureColumn, ...] = (
    _share("known", "1 where the replay tells of items at all."),
    *_item("bomb", "a bomb, whoever's it is by now,"),
    *_velocity("bomb"),
    *_arrival("bomb", "the opponent"),
    _held("bomb"),
    _share("bomb_theirs", "1 while it belongs to the opponent, who holds it or held it last."),
    _share("bomb_in_their_hand", "1 while the opponent holds it."),
    _share("bomb_left", "Frames until it goes off by itself, 300 being 1."),
    _share("bomb_exploding", "1 from its going off to the end of the explosion."),
    *_item("boomerang", "the own boomerang"),
    *_velocity("boomerang"),
    *_arrival("boomerang", "the opponent"),
    _held("boomerang"),
    *_item("arrow", "an own arrow"),
    *_velocity("arrow"),
    *_arrival("arrow", "the opponent"),
    _held("arrow"),
    # The game tells no velocity of a hookshot.
    *_item("hookshot", "the own hookshot"),
    _held("hookshot"),
    *_item(
        "opponent", "an item of the opponent's, of any kind,", "the first to arrive, the nearest if none will"
    ),
    *_velocity("opponent"),
    *_arrival("opponent", "oneself"),
)


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="link",
            base="full",
            character="link",
            features=("item-tracking",),
            overrides={"window_size": 75},
            notes="Link's side of each game, with his projectiles and the opponent's; 1.25 s at a time.",
        )
    ]


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="item-tracking",
            characters=("link", "younglink"),
            factory="exphil_char_link.items:ItemTracking",
            columns=COLUMNS,
            summary="Bombs, boomerang, arrows, hookshot: where, how fast and old, in whose hand, when they hit.",
        )
    ]
