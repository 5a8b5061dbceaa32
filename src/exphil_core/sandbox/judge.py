"""Mr. Game & Watch's own: Judge, the bucket, and aerials with landings that no L-cancel shortens.

Judge draws one of nine numbers, never one of its last two, all others alike; a stock begins as if 1 and then 2 had
been drawn. Rule, ids and damage are those of the decompiled game; frame data is made up.
"""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.attacks import in_air
from exphil_core.sandbox.bodies import Shot
from exphil_core.sandbox.drift import drift, skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.ground import landing_lag
from exphil_core.sandbox.items import Item, Prop
from exphil_core.sandbox.kit import Handler, Kit, goes_on
from exphil_core.sandbox.moves import DIAGONAL, LOW, MOVES, UP, Move

NUMBERS = range(1, 10)
# The action of a number is this much more.
GROUND, AIR = 354, 363
DAMAGE = {1: 2.0, 2: 4.0, 3: 6.0, 4: 8.0, 5: 12.0, 6: 12.0, 7: 14.0, 8: 4.0, 9: 32.0}
RECOIL, SWINGS, JUDGE_FRAMES = 12.0, 16, 44
SIGN = Shot(0x78, 0.0, 1, 0.0)
BUCKET, BUCKET_CATCH, BUCKET_POUR, BUCKET_AIR = 375, 376, 377, 3
BUCKET_OPEN, BUCKET_FRAMES, CATCH_FRAMES, POUR_FRAMES, FULL = (5, 37), 49, 20, 40, 3
# His own aerials and, by the same order, their landings.
AERIALS = {act.AIR_N: 347, act.AIR_B: 348, act.AIR_UP: 349}
LANDINGS = {347: 350, 348: 351, 349: 352}
LANDING_LAG = {347: 15, 348: 18, 349: 18}


def possible(last_two: tuple[int, int]) -> tuple[int, ...]:
    """The numbers that the next Judge can be."""
    return tuple(number for number in NUMBERS if number not in last_two)


def _start_judge(f: Fighter) -> None:
    numbers = possible(f.judged)
    number = numbers[int(f.luck.random() * len(numbers))]
    f.judged = (f.judged[1], number)
    f.enter((AIR if f.airborne else GROUND) + number, 1)
    x, y = f.x + 8.0 * f.facing, f.y + 12.0
    f.item = f.fired = Prop(SIGN, 0, f.port, f.instance, x, y, f.facing, 1.0, launched=False)


def _judge(f: Fighter) -> None:
    _glide(f)
    if f.age == SWINGS and f.judged[1] == 1:
        f.percent += RECOIL
    if f.age > JUDGE_FRAMES:
        _over(f)


def _start_bucket(f: Fighter) -> None:
    """Hold it out, or pour when it is full."""
    action = BUCKET
    if f.bucket >= FULL:
        action, f.bucket = BUCKET_POUR, 0
    f.enter(action + (BUCKET_AIR if f.airborne else 0), 1)


def _bucket(f: Fighter) -> None:
    _glide(f)
    kind = f.action - (BUCKET_AIR if f.action >= BUCKET + BUCKET_AIR else 0)
    frames = {BUCKET: BUCKET_FRAMES, BUCKET_CATCH: CATCH_FRAMES, BUCKET_POUR: POUR_FRAMES}[kind]
    if f.age > frames:
        _over(f)


def _catch(f: Fighter, item: Item) -> bool:
    """A projectile that comes while the bucket is open goes into it."""
    first, last = BUCKET_OPEN
    if f.action not in (BUCKET, BUCKET + BUCKET_AIR) or not first <= f.age <= last:
        return False
    f.bucket += 1
    f.enter(f.action + BUCKET_CATCH - BUCKET, 1)
    item.struck(f)
    return True


def _glide(f: Fighter) -> None:
    if f.airborne:
        drift(f)
    else:
        skid(f)


def _over(f: Fighter) -> None:
    f.hold_nothing()
    if f.airborne:
        f.fall()
    else:
        f.stand()


def _land_aerial(landing: int, lag: int) -> Handler:
    def land(f: Fighter) -> None:
        f.clock = lag
        f.enter(landing)

    return land


def _blow(number: int) -> Move:
    damage = DAMAGE[number]
    base, growth = (60.0, 110.0) if number == 9 else (30.0, 80.0)
    direction = LOW if number in (2, 3) else UP if number == 8 else DIAGONAL
    return Move(19, SWINGS, SWINGS + 2, JUDGE_FRAMES, 12.0, 9.0, 8.0, damage, base, growth, direction)


_JUDGES = {start + number: number for number in NUMBERS for start in (GROUND, AIR)}
_BUCKETS = tuple(action + air for action in (BUCKET, BUCKET_CATCH, BUCKET_POUR) for air in (0, BUCKET_AIR))
_POUR = Move(21, 5, 12, POUR_FRAMES, 12.0, 5.0, 10.0, 30.0, 50.0, 100.0, DIAGONAL)
GAME_AND_WATCH = Kit(
    side=_start_judge,
    down=_start_bucket,
    handlers={
        **dict.fromkeys(_JUDGES, _judge),
        **dict.fromkeys(_BUCKETS, _bucket),
        **dict.fromkeys(LANDINGS, in_air),
        **dict.fromkeys(LANDINGS.values(), landing_lag),
    },
    landings={
        **{AIR + number: goes_on(GROUND + number) for number in NUMBERS},
        **{action: goes_on(action - BUCKET_AIR) for action in _BUCKETS if action >= BUCKET + BUCKET_AIR},
        **{action: _land_aerial(landing, LANDING_LAG[action]) for action, landing in LANDINGS.items()},
    },
    aerials=AERIALS,
    moves={
        **{action: _blow(number) for action, number in _JUDGES.items()},
        **{own: MOVES[common] for common, own in AERIALS.items()},
        BUCKET_POUR: _POUR,
        BUCKET_POUR + BUCKET_AIR: _POUR,
    },
    catches=_catch,
)
