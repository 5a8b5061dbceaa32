"""What the scripted players do in each situation: short plans of controller steps.

Choices depend on the situation, the fighters' places and the player's style, with some seeded noise, so a
model that sees one frame can predict much of it. Four things only a model with memory can predict:

- *Replies alternate.* The first free plan after being hit is a shield and a grab one time, a jump away
  (Mewtwo: a teleport) the next. Nothing in the current frame says whose turn it is.
- *Follow-ups alternate.* After landing a hit the player jumps after the opponent one time, dashes the next.
- *Pokes and the ledge go round in a cycle* (`Style.order`; climb, jump, drop).
- *Out of shield* the answer depends on whether the opponent's last approach, up to seconds ago, came by air
  (jump and C-stick up) or on the ground (grab).

Reasons that have to be followed over time (teleports, bombs, Judge's numbers, ...) are in `schemes`; they come first.

Steps are also held for nearly fixed numbers of frames, which a memory can count.
"""

from __future__ import annotations

import random

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import A, L, Z
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes import schemes_for
from exphil_core.sandbox.situation import TROUBLE, Situation
from exphil_core.sandbox.state import FighterState, GameState
from exphil_core.sandbox.styles import Habits, Style

# How near the opponent must come for its approach to be remembered, in units.
APPROACH_RANGE = 35.0


class Tactics(Phrases):
    """One player's mind in one game: its memory, and a plan for every situation."""

    def __init__(self, setup: Setup, index: int, style: Style, habits: Habits, rng: random.Random) -> None:
        name = setup.characters[index].name
        super().__init__(name, style, habits, rng)
        self._edge = setup.stage.edge_x
        self._teleports = name == "mewtwo"
        self._my_percent = self._foe_percent = 0.0
        self._replies = self._follow_ups = self._pokes = self._ledges = self._beat = 0
        self._owes_reply = False
        self._foe_came_by_air = False
        self.wants_to_follow = False
        self._schemes = schemes_for(setup, index, self)
        self._plans = {
            Situation.LIMBO: self._wait,
            Situation.ALONE: self._alone,
            Situation.REBORN: self._reborn,
            Situation.HURT: self._hurt,
            Situation.DOWN: self._down,
            Situation.LEDGE: self._ledge,
            Situation.OFF_STAGE: self._recover,
            Situation.AIRBORNE: self._airborne,
            Situation.THREAT: self._threat,
            Situation.FOLLOW: self._follow,
            Situation.EDGE_GUARD: self._edge_guard,
            Situation.ABOVE: self._anti_air,
            Situation.BELOW: self._below,
            Situation.CLOSE: self._close,
            Situation.MIDDLE: self._middle,
            Situation.FAR: self._far,
        }

    def notice(self, me: FighterState, foe: FighterState) -> None:
        """Remember hits taken and landed, and how the opponent came near. Called once a frame."""
        if me.percent > self._my_percent and me.state in act.DAMAGE:
            self._owes_reply = True
        if foe.percent > self._foe_percent and foe.state in act.DAMAGE:
            self.wants_to_follow = True
        self._my_percent, self._foe_percent = me.percent, foe.percent
        if abs(foe.x - me.x) < APPROACH_RANGE and abs(foe.self_x_air) > 0.5 and foe.state not in act.DAMAGE:
            self._foe_came_by_air = bool(foe.airborne)

    def watch(self, view: GameState) -> bool:
        """Let every scheme see a frame; whether one of them wants the plan under way dropped."""
        alarm = False
        for scheme in self._schemes:
            scheme.watch(view)
            alarm = alarm or scheme.alarm
        return alarm

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan:
        """At least one step."""
        if situation not in TROUBLE:
            for scheme in self._schemes:
                scheme.alarm = False
                if scheme.patient and self._owes_reply and not me.airborne:
                    continue
                reasoned = scheme.plan(situation, me, foe)
                if reasoned:
                    return reasoned
        if self._owes_reply and situation not in TROUBLE and not me.airborne:
            self._owes_reply = False
            return self._reply(me, foe)
        return self._plans[situation](me, foe)

    def _wait(self, me: FighterState, foe: FighterState) -> Plan:
        return [Step(6)]

    def _shield(self, frames: int, side: int) -> Plan:
        """Squeeze (softly, or through to the click), hold, then answer by how the opponent last came."""
        habits = self._habits
        on_left = habits.shield_button == L
        if self.chance(self._style.analog):
            soft = habits.light_shield
            ramp = [Step(1, left=soft // 2 + 20), Step(self.about(frames), left=soft)]
        else:
            click = Step(self.about(frames), buttons=habits.shield_button)
            ramp = [Step(1, left=66) if on_left else Step(1, right=66), click]
        held = ramp[-1]
        if self._foe_came_by_air:
            return [*ramp, *self.jump(0, short=False), Step(2, cy=80), Step(14)]
        return [*ramp, held._replace(frames=2, buttons=held.buttons | Z), *self.rest(20, side)]

    def _reborn(self, me: FighterState, foe: FighterState) -> Plan:
        return [Step(self.about(40)), Step(4, 0, -80), Step(6)]

    def _hurt(self, me: FighterState, foe: FighterState) -> Plan:
        inward = -1 if me.x > 0 else 1
        if me.self_y + me.knockback_y < -0.3 and me.y < 30.0 and abs(me.x) < self._edge:
            return [Step(3, 56 * inward, 0, self._habits.shield_button), Step(9, 56 * inward)]
        return [Step(5, 52 * inward, 54)]

    def _down(self, me: FighterState, foe: FighterState) -> Plan:
        return [Step(self.about(8)), Step(4, 0, 80), Step(10)]

    def _ledge(self, me: FighterState, foe: FighterState) -> Plan:
        inward = -1 if me.x > 0 else 1
        self._ledges += 1
        x, y = self.full(inward)
        ways: tuple[Plan, ...] = (
            [Step(self.about(10)), Step(5, x, y), Step(16)],
            [Step(self.about(6)), Step(4, buttons=self._habits.jump_button), Step(12, x, y)],
            [Step(3, 0, -80), Step(3), Step(5, x, y, self._habits.jump_button), Step(14, x, y)],
        )
        return ways[self._ledges % len(ways)]

    def _recover(self, me: FighterState, foe: FighterState) -> Plan:
        inward = -1 if me.x > 0 else 1
        x, y = self.full(inward)
        if me.state == act.FALL_SPECIAL or me.state in self._rise.actions or me.self_y > 0.5:
            return [Step(4, x, y)]
        if me.jumps and me.y < 15.0:
            after = 2 if me.state in act.AERIALS else 10
            return [Step(1, x, y), Step(3, x, y, self._habits.jump_button), Step(after, x, y)]
        if not me.jumps and me.y < 15.0:
            # Aimed high: what is seen is old, and the fall goes on while the special starts.
            gap = -inward * (self._edge + 3.0) - me.x
            return self.teleport((gap, max(25.0 - me.y, 0.5 * abs(gap))))
        return [Step(4, x, y)]

    def _reply(self, me: FighterState, foe: FighterState) -> Plan:
        """The first free moment after a hit: shield and grab, or away, in turns."""
        side = self.side(me, foe)
        self._replies += 1
        if self._replies % 2:
            held = Step(self.about(14), buttons=self._habits.shield_button)
            return [held, held._replace(frames=2, buttons=held.buttons | Z), Step(16)]
        away = -side if abs(me.x - 20 * side) < self._edge else side
        if self._teleports:
            return [*self.teleport((away * 1.0, 0.35)), Step(14)]
        x, y = self.full(away)
        return [*self.jump(away, short=False), Step(self.about(12), x, y), Step(5, 0, -78), Step(6)]

    def _threat(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        if self.chance(self._style.shield * (1.1 if foe.airborne else 0.8)):
            return self._shield(16, side)
        if abs(me.x) > self._edge - 15.0:
            return [*self.jump(side, short=False), Step(12, *self.full(side))]
        return [self.dash(-side, 11), Step(self.about(4))]

    def _alone(self, me: FighterState, foe: FighterState) -> Plan:
        if abs(me.x) > 15.0:
            return [self.walk(-1 if me.x > 0 else 1, 12), Step(3)]
        return [Step(self.about(18)), Step(3, 0, -80), Step(9)]

    def _follow(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        self.wants_to_follow = False
        self._follow_ups += 1
        if self._follow_ups % 2 or me.airborne:
            x, y = self.full(side)
            hop = [] if me.airborne else [Step(2, x, y), *self.jump(side, short=True)]
            return [*hop, Step(self.about(4), x, y), *self.aerial(side, me.direction)]
        return [self.dash(side, 9), Step(2), *self._strike(side, foe)]

    def _strike(self, side: int, foe: FighterState) -> Plan:
        if foe.y > 12.0:
            return [Step(2, cy=80), *self.rest(22, side)]
        return [Step(2, cx=side * 80), *self.rest(24, side)]

    def _edge_guard(self, me: FighterState, foe: FighterState) -> Plan:
        side = 1 if foe.x > 0 else -1
        gap = self._edge - 9.0 - me.x * side
        if gap > 14.0:
            return [self.dash(side, min(12, 2 + int(gap / 5))), Step(2)]
        if self._shot is not None and self.chance(self._style.shoot) and abs(foe.x) > self._edge + 40:
            return self.fire(me, side)
        if abs(foe.x) < self._edge + 30.0 and foe.y > -25.0:
            return [*self.face(me, side), *self._strike(side, foe)]
        return [Step(self.about(6))] if gap > 0 else [self.walk(-side, 5), Step(2)]

    def _anti_air(self, me: FighterState, foe: FighterState) -> Plan:
        if foe.airborne and foe.self_y < 1.0:
            if self.chance(self._style.c_stick):
                return [Step(2, cy=80), Step(26)]
            return [Step(1, 0, 40), Step(3, 0, 48, A), Step(20)]
        # Standing on a platform overhead: go up to it.
        return [*self.jump(0, short=False), Step(8), Step(3, buttons=self._habits.jump_button), Step(6)]

    def _below(self, me: FighterState, foe: FighterState) -> Plan:
        return [Step(2), Step(4, 0, -80), Step(8, 30 * self.side(me, foe))]

    def _airborne(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        near = abs(foe.x - me.x) < 26.0 and abs(foe.y - me.y) < 22.0
        if near and self.chance(0.6 + 0.4 * self._style.aerial):
            if foe.y > me.y + 12.0:
                return [Step(2, cy=80), Step(12, *self.full(side))]
            return self.aerial(side, me.direction)
        x, y = self.full(side)
        if me.self_y < 0:
            return [Step(3, x, y), Step(3, 0, -80), Step(5)]
        return [Step(5, x, y)]

    def _close(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        if not self.chance(0.55 + 0.4 * self._style.aggression):
            return [self.dash(-side, self._habits.dash_frames + 3), Step(self.about(5))]
        self._pokes += 1
        kind = self._style.order[self._pokes % len(self._style.order)]
        start = self.face(me, side)
        if kind == 0:
            return [*start, Step(2, buttons=A), Step(3), Step(2, side * 45, buttons=A), *self.rest(18, side)]
        if kind == 1:
            return [*start, Step(2, cx=side * 80), *self.rest(32, side)]
        return [*start, Step(3, side * 45, buttons=Z), *self.rest(20, side)]

    def _middle(self, me: FighterState, foe: FighterState) -> Plan:
        """A dance in a fixed rhythm (in, out, pause, in), and every third or fourth beat an approach."""
        side = self.side(me, foe)
        self._beat += 1
        beat = self._beat % 4
        frames = self._habits.dash_frames
        if beat == 1:
            return [self.dash(side, frames)]
        if beat == 2:
            if abs(me.x) > self._edge - 25.0 and me.x * side < 0:
                return [Step(self.about(frames))]
            return [self.dash(-side, frames - 1), Step(self.about(4))]
        if beat == 3 and not self.chance(self._style.aggression):
            return [self.walk(side, 9), Step(self.about(7))]
        return self._approach(me, foe)

    def _approach(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        x, y = self.full(side)
        if self._teleports and self.chance(0.2):
            return [*self.teleport((side * 1.0, 0.0)), Step(10)]
        if self._shot is not None and self.chance(self._style.shoot * 0.4):
            return self.fire(me, side)
        if self.chance(self._style.aerial):
            hop = self.jump(side, short=self.chance(0.7))
            return [Step(3, x, y), *hop, Step(self.about(5), x, y), *self.aerial(side, me.direction)]
        if self.chance(0.5):
            return [self.dash(side, frames=12), Step(3, x, y, buttons=A), *self.rest(24, side)]
        return [self.dash(side, frames=12), Step(3, x, y, buttons=Z), *self.rest(20, side)]

    def _far(self, me: FighterState, foe: FighterState) -> Plan:
        side = self.side(me, foe)
        if self._teleports and self.chance(0.35):
            return [*self.teleport((side * 1.0, 0.3 if foe.y > 10 else 0.0)), Step(12)]
        if self._shot is not None and self.chance(self._style.shoot):
            return self.fire(me, side)
        if self.chance(self._style.aerial * 0.4):
            return [self.dash(side, 5), *self.jump(side, short=False), Step(14, *self.full(side))]
        return [self.dash(side, 16), Step(self.about(3))]
