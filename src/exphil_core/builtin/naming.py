"""Built-in naming schemes."""

from __future__ import annotations

from exphil_core import NamingSchemeSpec, hookimpl

exphil_contract = 1


@hookimpl
def exphil_naming_schemes() -> list[NamingSchemeSpec]:
    return [
        NamingSchemeSpec(
            name="timestamp",
            factory="exphil_core.checkpoints.schemes:Timestamp",
            pattern="{backbone}_{YYYYMMDD_HHMMSS}",
            summary="Backbone and time (UTC); the default.",
        ),
        NamingSchemeSpec(
            name="character",
            factory="exphil_core.checkpoints.schemes:Character",
            pattern="{character}_{backbone}_{timestamp}",
            summary="The character first.",
        ),
        NamingSchemeSpec(
            name="hyperparams",
            factory="exphil_core.checkpoints.schemes:Hyperparams",
            pattern="{backbone}_h{hidden}_w{window}_{timestamp}",
            summary="Widths and window, for comparing sizes.",
        ),
        NamingSchemeSpec(
            name="performance",
            factory="exphil_core.checkpoints.schemes:Performance",
            pattern="{backbone}_{timestamp}_loss{val_loss:.2f}",
            summary="The best val_loss; as timestamp until it is known.",
        ),
        NamingSchemeSpec(
            name="semver",
            factory="exphil_core.checkpoints.schemes:Semver",
            pattern="{character}_{backbone}_v{major}.{minor}",
            summary="The next free version; --bump major or minor.",
        ),
        NamingSchemeSpec(
            name="hybrid",
            factory="exphil_core.checkpoints.schemes:Hybrid",
            pattern="{character}/{backbone}_{timestamp}",
            summary="A folder for each character; recommended once there are several.",
        ),
    ]
