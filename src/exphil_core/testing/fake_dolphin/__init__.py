"""A program that poses as Slippi Dolphin, to test what plays through libmelee without the game.

libmelee starts it as it would start Dolphin. It answers `--version`, reads the configuration that libmelee wrote,
shows menus (a sketch of Melee's own, enough for libmelee's `MenuHelper`), serves the frames of a replay over ENet
with Slippi's spectator protocol, takes the controllers from libmelee's pipes and keeps a log of them. What comes
through the pipes moves the menus' cursors but not the fighters: those do what the replay says.

Linux and macOS (it needs named pipes), with libmelee installed.
"""

from exphil_core.testing.fake_dolphin.install import FakeDolphin, install, read_log

__all__ = ["FakeDolphin", "install", "read_log"]
