"""Ganondorf for ExPhil: the preset `ganondorf` and the character feature `spacing`."""
