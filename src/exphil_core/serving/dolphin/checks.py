"""What `exphil doctor` looks at before a model plays in Dolphin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exphil_core.doctor import BROKEN, NOTE, OK, Check, Finding
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager
from exphil_core.serving.dolphin.install import (
    EXTRA,
    codes_version,
    find_dolphin,
    pipes_folder,
    require_libmelee,
)
from exphil_core.serving.dolphin.iso import FULL_SIZE, require_melee


def dolphin_checks(dolphin: Path | None, iso: Path | None) -> tuple[Check, ...]:
    """Checks of libmelee and pipes, and of a Dolphin and a disc image where they are given."""

    def check_libmelee(manager: PluginManager) -> Iterator[Finding]:
        try:
            require_libmelee()
        except ExphilError:
            needed = dolphin is not None
            yield Finding("libmelee", BROKEN if needed else OK, "not installed; Dolphin needs it", EXTRA)
            return
        yield Finding("gecko codes", OK, codes_version())

    def check_pipes(manager: PluginManager) -> Iterator[Finding]:
        yield Finding("pipes", OK, f"named pipes work in {pipes_folder()}")

    def check_dolphin(manager: PluginManager) -> Iterator[Finding]:
        if dolphin is None:
            yield Finding("dolphin", OK, "not looked at: give --dolphin PATH")
            return
        found = find_dolphin(dolphin)
        yield Finding("dolphin", OK, f"{found.version} ({found.executable})")

    def check_iso(manager: PluginManager) -> Iterator[Finding]:
        if iso is None:
            yield Finding("iso", OK, "not looked at: give --iso PATH")
            return
        disc = require_melee(iso.expanduser())
        if disc is None:
            yield Finding(
                "iso", NOTE, f"{iso} is compressed: can't be looked into", "Slippi wants a plain .iso"
            )
        elif not disc.whole:
            says = f"{disc.id} revision {disc.revision}, but {disc.size:,} bytes instead of {FULL_SIZE:,} ({iso})"
            yield Finding("iso", NOTE, says, "trimmed or modified images may desync or not start in Slippi")
        else:
            yield Finding("iso", OK, f"{disc.id} revision {disc.revision}, {disc.stored} ({iso})")

    return check_libmelee, check_pipes, check_dolphin, check_iso
