"""Plugins as a whole: do they register, and can they be listed without a heavy import?"""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

from exphil_core.errors import ExphilError
from exphil_core.hookspecs import CONTRACT_VERSION
from exphil_core.plugin_manager import (
    HOOKS,
    PluginManager,
    Provenance,
    load_plugins,
    normalise_distribution,
)
from exphil_core.testing.subject import claim, factory_of

HEAVY = ("torch", "numpy")


def manager_with(*plugins: object) -> PluginManager:
    """All installed plugins and, where they aren't among them, `plugins` (modules or objects)."""
    manager = load_plugins()
    for plugin in plugins:
        if not manager.has(plugin):
            manager.add(plugin, _origin(plugin))
    return manager


def _origin(plugin: object) -> Provenance:
    module = getattr(plugin, "__name__", type(plugin).__module__)
    return Provenance(normalise_distribution(module.partition(".")[0]), "0", module)


def check_plugin(plugin: object) -> None:
    """Check a plugin (the module that the entry point names): it registers without problems, says its contract
    version, gives something, takes no name that is taken, can be listed without torch and numpy, and everything
    that it names can be imported."""
    origin = _origin(plugin)
    who = f"plugin {origin.entry_point}"
    claim(
        getattr(plugin, "exphil_contract", None) == CONTRACT_VERSION,
        f"{who} must say which contract it was written for: exphil_contract = {CONTRACT_VERSION}",
    )
    alone = PluginManager()
    alone.add(plugin, origin)
    claim(not alone.problems, "; ".join(map(str, alone.problems)))
    gave = [(hook, entry.spec) for hook in HOOKS for entry in alone.registered(hook)]
    claim(gave, f"{who} gives nothing: no function has @exphil_core.hookimpl, or all return empty lists")
    _claim_light(who, plugin)
    everything = manager_with(plugin)
    for hook, spec in gave:
        try:
            everything.get(hook, spec.name)
        except ExphilError as error:
            raise AssertionError(str(error)) from error
        if hasattr(spec, "factory"):
            factory_of(f"{HOOKS[hook][0]} {spec.name}", spec.factory)


def _claim_light(who: str, plugin: object) -> None:
    """In a fresh process: here, everything may be imported already."""
    if not isinstance(plugin, ModuleType):
        return
    code = (
        "import importlib, sys\n"
        "from exphil_core.plugin_manager import PluginManager, Provenance\n"
        f"plugin = importlib.import_module({plugin.__name__!r})\n"
        "PluginManager().add(plugin, Provenance('', '', ''))\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    claim(done.returncode == 0, f"{who} can't be imported on its own: {done.stderr.strip()[-300:]}")
    heavy = done.stdout.split()
    claim(
        not heavy, f"{who} imports {' and '.join(heavy)} when listed; name heavy things as 'module:attribute'"
    )
