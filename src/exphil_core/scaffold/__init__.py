"""Writes the beginnings of a plugin: a distribution that installs, passes its own tests and shows up."""

from exphil_core.scaffold.generate import claim_free, plan_plugin, write_plugin
from exphil_core.scaffold.names import PluginNames, plugin_names

__all__ = ["PluginNames", "claim_free", "plan_plugin", "plugin_names", "write_plugin"]
