"""What this distribution adds. Imports neither numpy nor torch: `exphil presets list` comes here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, PresetSpec, hookimpl

exphil_contract = 1

NUMBERS = range(1, 10)
AERIALS = ("neutral", "forward", "back", "up", "down")


def _share(name: str, help: str) -> FeatureColumn:
    return FeatureColumn(name=name, low=0.0, high=1.0, help=help)


# In the order of `Hammer.update`.
COLUMNS: tuple[FeatureColumn, ...] = (
    _share("judging", "1 while Judge is under way."),
    _share("last", "The number drawn last in this stock (under way or over), 9 being 1; 0 before the first."),
    _share("before", "The number drawn before that, 9 being 1; 0 where there is none in this stock."),
    *(_share(f"next_{number}", f"1 while the next Judge can be a {number}.") for number in NUMBERS),
    *(_share(aerial, f"1 during the {aerial} aerial, until it lands.") for aerial in AERIALS),
    _share("cancellable", "1 during an aerial whose landing can be L-cancelled: forward and down."),
    _share("landing", "1 in the landing lag of an aerial."),
    _share("bucketing", "1 while the bucket is out: held open, catching or poured."),
    _share("bucket", "How full it is, 3 projectiles being 1; a stock's loss doesn't empty it."),
)


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="gameandwatch",
            base="full",
            character="gameandwatch",
            features=("hammer",),
            overrides={"window_size": 45},
            notes="Mr. Game & Watch's side, with Judge's numbers, his aerials and the bucket; 0.75 s at a time.",
        )
    ]


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="hammer",
            characters=("gameandwatch",),
            factory="exphil_char_gameandwatch.hammer:Hammer",
            columns=COLUMNS,
            summary="Judge's last two numbers and which can come next; aerials that can be L-cancelled; the bucket.",
        )
    ]
