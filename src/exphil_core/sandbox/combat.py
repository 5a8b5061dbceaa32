"""Hits: attacks, grabs and projectiles against bodies and shields."""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.attacks import CATCH_END, CATCH_START, move_of
from exphil_core.sandbox.defence import break_shield
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.holding import drop
from exphil_core.sandbox.items import Item
from exphil_core.sandbox.moves import THROW_RELEASE, THROWS, UP, Move, Throw

BODY_Y, BODY_RADIUS, SHIELD_RADIUS = 8.0, 6.0, 9.0
CATCH_REACH, CATCH_HEIGHT = 14.0, 10.0
TUMBLE = 80.0
# Frames of stun (as in Melee) and units a frame (Melee has 0.03) for each unit of knockback.
STUN_PER_KNOCKBACK, SPEED_PER_KNOCKBACK = 0.4, 0.037
STALE_MOVES, STALENESS = 9, 0.07
SHOT_ATTACK = 18
_HANGS = act.LEDGE | {act.CLIFF_CLIMB_SLOW, act.CLIFF_CLIMB_QUICK}
_UNHITTABLE = act.DEAD | act.THROWN | act.ENTRIES | {act.REBIRTH, act.REBIRTH_WAIT}


def knockback(percent: float, damage: float, weight: float, base: float, growth: float) -> float:
    """Melee's formula, with the percent after the hit."""
    return ((percent / 10 + percent * damage / 20) * 200 / (weight + 100) * 1.4 + 18) * growth / 100 + base


def hitlag(damage: float) -> float:
    """Frames that both stand still."""
    return float(int(damage / 3 + 3))


def vulnerable(f: Fighter) -> bool:
    """Whether a hit would count."""
    return f.action not in _UNHITTABLE and f.hurtbox == 0


def active_move(f: Fighter) -> Move | None:
    """The attack whose hit circle is out in this frame and has not connected yet."""
    move = move_of(f)
    if move is None or f.connected or not move.start <= f.age <= move.end:
        return None
    if f.action in act.SPECIALS_N and f.shot is not None:
        return None
    return move


def reaching(f: Fighter, foe: Fighter) -> Move | Throw | None:
    """The attack or throw of `f` that reaches `foe` in this frame (grabs are asked for apart)."""
    if f.hitlag > 0:
        return None
    if f.action in act.THROWS:
        return THROWS[f.action] if f.age == THROW_RELEASE and foe.action in act.THROWN else None
    move = active_move(f)
    if move is None:
        return None
    scale = f.body.reach
    dx = f.x + f.facing * move.dx * scale - foe.x
    dy = f.y + move.dy - foe.y - BODY_Y
    reach = move.radius * scale + (SHIELD_RADIUS if foe.action in act.GUARDS else BODY_RADIUS)
    return move if dx * dx + dy * dy <= reach * reach and vulnerable(foe) else None


def land(f: Fighter, foe: Fighter, blow: Move | Throw) -> None:
    """Let a blow that reaches land. Both fighters' may, in one frame: what `f` does by now doesn't matter."""
    damage = blow.damage * f.body.power
    if isinstance(blow, Throw):
        foe.airborne = True
        side = f.facing
    else:
        damage *= freshness(f, blow.attack)
        f.connected = True
        f.hitlag = max(f.hitlag, hitlag(damage))
        if foe.action in act.GUARDS:
            _hit_shield(foe, damage, f.facing)
            return
        side = f.facing if foe.x == f.x else 1.0 if foe.x > f.x else -1.0
    hurt(foe, f, damage, blow.base, blow.growth, (side * blow.direction[0], blow.direction[1]))
    credit(f, blow.attack)


def freshness(f: Fighter, move: int) -> float:
    """Melee's stale moves, simplified: 7 % less for each time among the last nine that hit."""
    return 1.0 - STALENESS * f.stale.count(move)


def credit(f: Fighter, move: int) -> None:
    """Book a hit for the one who landed it."""
    f.last_attack = move
    f.stale.append(move)
    del f.stale[:-STALE_MOVES]


def _hit_shield(foe: Fighter, damage: float, facing: float) -> None:
    foe.shield -= damage * 0.7
    if foe.shield <= 0:
        break_shield(foe)
        return
    foe.hitlag = hitlag(damage)
    foe.clock = int(damage * 0.45 + 2)
    foe.ground_v = facing * min(0.1 * damage, 1.4)
    foe.enter(act.GUARD_SET_OFF)


def hurt(
    foe: Fighter, by: Fighter, damage: float, base: float, growth: float, direction: tuple[float, float]
) -> None:
    """Damage, knockback along `direction` (a unit vector), stun and the matching action."""
    foe.hold_nothing()
    by.combo = by.combo + 1 if foe.hitstun > 0 else 1
    foe.percent += damage
    foe.last_hit_by = by.port
    foe.hit_by_instance = by.instance
    force = knockback(foe.percent, damage, foe.body.weight, base, growth)
    x, y = direction
    tumbles = force >= TUMBLE
    if y < 0 and not foe.airborne:
        y = -y
    foe.stop()
    foe.kx, foe.ky = x * force * SPEED_PER_KNOCKBACK, y * force * SPEED_PER_KNOCKBACK
    foe.hitstun = float(int(force * STUN_PER_KNOCKBACK))
    foe.hitlag = hitlag(damage)
    foe.facing = -1.0 if x > 0 else 1.0
    if foe.action in _HANGS or tumbles or y > 0.7:
        foe.airborne = True
    foe.intangible = 0
    if foe.action in act.SPECIALS_N:
        foe.charge = 0
    foe.fast_falling = False
    if tumbles:
        drop(foe)
        action = act.DAMAGE_FLY_TOP if y >= UP[1] - 0.05 else act.DAMAGE_FLY
    else:
        action = (act.DAMAGE_AIR if foe.airborne else act.DAMAGE_GROUND) + min(int(force / 30), 2)
    if foe.airborne:
        foe.jumps = max(min(foe.jumps, foe.body.jumps - 1), 0)
    else:
        foe.ky = 0.0
    foe.enter(action, 1)


def grabbing(f: Fighter) -> bool:
    """Whether the grab of `f` reaches its opponent in this frame."""
    foe = f.foe
    if f.action != act.CATCH or not CATCH_START <= f.age <= CATCH_END:
        return False
    ahead = (foe.x - f.x) * f.facing
    if not -2.0 <= ahead <= CATCH_REACH * f.body.reach or abs(foe.y - f.y) > CATCH_HEIGHT:
        return False
    return vulnerable(foe) and foe.action not in act.DAMAGE


def grab(f: Fighter) -> None:
    """Take hold of the opponent and throw it where the stick points."""
    foe, pad = f.foe, f.pad
    throw = act.THROW_F
    if abs(pad.y) > abs(pad.x):
        throw = act.THROW_UP if pad.y > 0 else act.THROW_LOW
    elif pad.x * f.facing < 0:
        throw = act.THROW_B
    f.hold_nothing()
    f.enter(throw, 1)
    foe.hold_nothing()
    foe.stop()
    foe.airborne = False
    foe.ground = f.ground
    foe.facing = -f.facing
    foe.enter(act.THROWN_F + throw - act.THROW_F, 1)


def shoot(item: Item, owner: Fighter, foe: Fighter) -> None:
    """Resolve what a flying projectile of `owner`, or an explosion, does to `foe` (who may be the owner)."""
    if not item.active or not item.hits(foe):
        return
    shielded = foe.action in act.GUARDS
    dx, dy = item.x - foe.x, item.y - foe.y - BODY_Y
    reach = item.reach + (SHIELD_RADIUS if shielded else BODY_RADIUS)
    if dx * dx + dy * dy > reach * reach or not vulnerable(foe):
        return
    if foe.kit.catches is not None and foe.kit.catches(foe, item):
        return
    item.struck(foe)
    damage = item.damage
    if shielded:
        _hit_shield(foe, damage, item.push(foe))
    elif item.shot.knockback:
        hurt(foe, owner, damage, item.shot.knockback, 40.0, (0.94 * item.push(foe), 0.342))
        credit(owner, SHOT_ATTACK)
    else:
        # Fox's laser: damage without a flinch.
        foe.percent += damage
        foe.last_hit_by = owner.port
