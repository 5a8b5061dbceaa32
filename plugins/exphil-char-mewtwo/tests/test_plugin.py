"""The preset and the feature as users meet them."""

from __future__ import annotations

import subprocess
import sys

from exphil_char_mewtwo import plugin

from exphil_core.config.resolve import resolve
from exphil_core.features.character import active_features
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins


def installed() -> PluginManager:
    manager = load_plugins()
    if "mewtwo" not in manager.names("exphil_presets"):  # tested from a checkout, not installed
        manager.add(plugin, Provenance("exphil-char-mewtwo", "0.1.0", "mewtwo"))
    return manager


def test_the_preset_is_full_with_a_longer_window_for_mewtwo() -> None:
    run = resolve(installed(), preset="mewtwo")
    full = resolve(installed(), preset="full")
    assert (run.config.character, run.config.features, run.config.window_size) == (
        "mewtwo",
        ("teleport",),
        90,
    )
    assert run.config.hidden_sizes == full.config.hidden_sizes
    assert run.config.backbone == full.config.backbone
    assert run.origins["features"] == "preset mewtwo (exphil-char-mewtwo)"
    assert run.origins["epochs"] == "preset full (exphil-core)"


def test_the_feature_can_be_made() -> None:
    (feature,) = active_features(installed(), ["teleport"])
    assert feature.entry.origin.distribution == "exphil-char-mewtwo"
    assert feature.make() is not feature.make()


def test_listing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, exphil_char_mewtwo.plugin as p; p.exphil_presets(); p.exphil_character_features(); "
        "print([m for m in ('numpy', 'torch', 'pyarrow', 'cattrs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
