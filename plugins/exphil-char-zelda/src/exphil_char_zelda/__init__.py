"""Zelda and Sheik for ExPhil: the preset `zelda` and the character feature `dual-character`."""
