"""Through Melee's menus into a game, by libmelee's `MenuHelper`."""

from __future__ import annotations

from typing import Any

from exphil_core.serving.dolphin.settings import DolphinSettings


class Menus:
    """Presses what leads into the next game: on `own`, the model's controller, and on `other`, with which a CPU
    player is set up (None if somebody else sits there)."""

    def __init__(self, settings: DolphinSettings, own: Any, other: Any) -> None:
        import melee
        from melee import enums

        self._enums = enums
        self._settings, self._own, self._other = settings, own, other
        self._helper, self._other_helper = melee.MenuHelper(), melee.MenuHelper()
        self._character = enums.Character(settings.character.internal)
        self._opponent = enums.Character(settings.opponent_character.internal)
        stage = settings.stage
        self._stage = enums.Stage.RANDOM_STAGE if stage is None else enums.Stage(stage.internal)
        self._played = False

    def played(self) -> None:
        """A game has begun: what comes after it are its scores."""
        self._played = True

    def step(self, state: Any) -> None:
        """Press what `state`, of a frame in the menus, asks for."""
        menu = state.menu_state
        if menu is self._enums.Menu.PRESS_START:
            self._helper.choose_versus_mode(state, self._own)
        elif menu is self._enums.Menu.UNKNOWN_MENU:
            # libmelee (0.47) knows the screen of scores by name but doesn't recognise it.
            if self._played:
                self._helper.skip_postgame(self._own)
        else:
            self._own_step(state)
            if self._other is not None:
                self._other_step(state)

    def _own_step(self, state: Any) -> None:
        self._helper.menu_helper_simple(
            state,
            self._own,
            self._character,
            self._stage,
            connect_code=self._settings.connect_code,
            autostart=self._may_start(state),
            frozen_stadium=False,
        )

    def _other_step(self, state: Any) -> None:
        if state.menu_state is self._enums.Menu.CHARACTER_SELECT:
            self._other_helper.menu_helper_simple(
                state, self._other, self._opponent, self._stage, cpu_level=self._settings.cpu or 0
            )
        else:
            self._other.release_all()

    def _may_start(self, state: Any) -> bool:
        """Whether to start and choose the stage, unless a human does; a CPU player has to be set up first. In netplay
        libmelee goes on to the code only if it may start."""
        if self._settings.connect_code is not None:
            return True
        if self._settings.cpu is None or state.menu_state is not self._enums.Menu.CHARACTER_SELECT:
            return self._settings.chooses_stage
        seat = state.players[self._settings.opponent_port]
        return bool(
            seat.controller_status is self._enums.ControllerStatus.CONTROLLER_CPU
            and seat.cpu_level == self._settings.cpu
            and seat.character is self._opponent
            and not seat.is_holding_cpu_slider
        )
