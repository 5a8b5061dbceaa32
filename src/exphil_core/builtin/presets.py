"""Built-in presets."""

from __future__ import annotations

from exphil_core import PresetSpec, hookimpl

exphil_contract = 1


@hookimpl
def exphil_presets() -> list[PresetSpec]:
    return [
        PresetSpec(
            name="quick",
            overrides={"epochs": 1, "max_files": 5, "hidden_sizes": (32, 32), "backbone": "mlp"},
            notes="A first look in under a minute: does everything work on my replays?",
        ),
        PresetSpec(
            name="standard",
            overrides={"epochs": 10, "max_files": 50, "hidden_sizes": (64, 64), "backbone": "mlp"},
            notes="A small model of single frames, trained in minutes on any machine.",
        ),
        PresetSpec(
            name="full",
            overrides={
                "epochs": 50,
                "max_files": None,
                "hidden_sizes": (256, 256),
                "backbone": "mamba",
                "window_size": 60,
            },
            notes="All replays and a model with memory; wants a GPU or patience.",
        ),
        PresetSpec(
            name="full-cpu",
            overrides={"epochs": 20, "max_files": 100, "hidden_sizes": (128, 128), "backbone": "mlp"},
            notes="The best of single frames without a GPU.",
        ),
    ]
