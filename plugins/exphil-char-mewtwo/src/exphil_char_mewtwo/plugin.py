"""What this distribution adds. Imports neither numpy nor torch: `exphil presets list` comes here."""

from __future__ import annotations

from exphil_core import CharacterFeatureSpec, FeatureColumn, PresetSpec, hookimpl

exphil_contract = 1


def _flag(name: str, help: str) -> FeatureColumn:
    return FeatureColumn(name=name, low=0.0, high=1.0, help=help)


def _vector(name: str, help: str) -> tuple[FeatureColumn, FeatureColumn]:
    return (
        FeatureColumn(name=f"{name}_x", mirrored=True, help=f"{help}, along x."),
        FeatureColumn(name=f"{name}_y", help=f"{help}, upwards."),
    )


# In the order of `Teleport.update`.
COLUMNS: tuple[FeatureColumn, ...] = (
    _flag("starting", "1 in the frames before he vanishes."),
    _flag("vanished", "1 while he is out of sight, travelling."),
    _flag("ending", "1 from his appearance to the end of the teleport."),
    _flag("clock", "Frames since the teleport started, 60 being 1; runs on in the fall afterwards."),
    *_vector("direction", "Direction chosen, a vector of length 1"),
    *_vector("moved", "Way since the teleport started, 60 units being 1"),
    *_vector("left", "Way from here to where he appears, a whole teleport being 1"),
    _flag("helpless", "1 while falling after a teleport, unable to act."),
    _flag("ready", "1 while he can still teleport before he lands."),
    *_vector("ledge", "Way to where he would hang on the nearer ledge, 100 units being 1"),
    FeatureColumn(name="reach", help="1 at that ledge, 0 where a teleport just gets there, below 0 beyond."),
)


def _far(name: str, help: str, mirrored: bool = False) -> FeatureColumn:
    return FeatureColumn(name=name, low=-2.0, high=2.0, mirrored=mirrored, help=help)


# In the order of `ShadowBall.update`.
BALL_COLUMNS: tuple[FeatureColumn, ...] = (
    _flag("charging", "1 while he charges a ball."),
    _flag("charge", "Charge that he has, 7 levels of 17 frames being 1."),
    _flag("full", "1 when it is full."),
    _flag("firing", "1 from the start of the throw to its end."),
    _flag("shot", "1 while a ball of his flies; what follows is of the newest."),
    _far("shot_x", "Way to it along x, 100 units being 1.", mirrored=True),
    _far("shot_y", "Way to it upwards, 100 units being 1."),
    FeatureColumn(name="shot_vx", mirrored=True, help="Its velocity along x, 4 units a frame being 1."),
    FeatureColumn(name="shot_vy", help="Its velocity upwards, 4 units a frame being 1."),
    _flag("shot_left", "Frames until it is gone, 70 being 1."),
    _flag("shot_charge", "The charge that it was fired with."),
    _flag("double_jump", "1 while he can still jump in the air."),
)


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="mewtwo",
            base="full",
            character="mewtwo",
            features=("teleport", "shadow-ball"),
            overrides={"window_size": 90},
            notes="Mewtwo's side of each game, with Teleport and Shadow Ball followed; 1.5 s at a time.",
        )
    ]


@hookimpl
def exphil_character_features() -> list[CharacterFeatureSpec]:
    return [
        CharacterFeatureSpec(
            name="teleport",
            characters=("mewtwo",),
            factory="exphil_char_mewtwo.teleport:Teleport",
            columns=COLUMNS,
            summary="Phase and direction of Teleport, where it ends, whether it is still to be had.",
        ),
        CharacterFeatureSpec(
            name="shadow-ball",
            characters=("mewtwo",),
            factory="exphil_char_mewtwo.ball:ShadowBall",
            columns=BALL_COLUMNS,
            summary="Charge of the Shadow Ball, the ball in flight, whether the double jump is there.",
        ),
    ]
