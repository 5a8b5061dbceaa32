"""Built-in naming schemes."""

from __future__ import annotations

from exphil_core import NamingSchemeSpec, hookimpl

exphil_contract = 1


@hookimpl
def exphil_naming_schemes() -> list[NamingSchemeSpec]:
    return [
        NamingSchemeSpec(
            name="timestamp",
            factory="exphil_core.checkpoints.naming:Timestamp",
            pattern="{backbone}_{YYYYMMDD_HHMMSS}",
            summary="Backbone and time (UTC); the default.",
        ),
        NamingSchemeSpec(
            name="hybrid",
            factory="exphil_core.checkpoints.naming:Hybrid",
            pattern="{character}/{backbone}_{timestamp}",
            summary="A folder for each character; recommended once there are several.",
        ),
    ]
