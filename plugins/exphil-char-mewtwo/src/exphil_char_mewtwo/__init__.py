"""Mewtwo for ExPhil: the preset `mewtwo` and the character feature `teleport`."""
