"""Mr. Game & Watch for ExPhil: the preset `gameandwatch` and the character feature `hammer`."""
