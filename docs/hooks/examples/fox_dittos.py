"""A preset for games of Fox against Fox."""

from __future__ import annotations

from exphil_core import PresetSpec, hookimpl

exphil_contract = 1


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="fox-dittos",
            base="full-cpu",
            character="fox",
            overrides={"opponent": ("fox",), "backbone": "gru", "window_size": 60, "mirror": 0.5},
            notes="Fox against Fox, both sides, half of them seen in a mirror.",
        )
    ]
