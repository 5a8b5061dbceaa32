"""Facts about Super Smash Bros. Melee and the Slippi format that the rest of the package relies on."""

# Slippi numbers frames from -123; inputs first count at -39.
FIRST_FRAME = -123
FIRST_PLAYABLE_FRAME = -39
FRAMES_PER_SECOND = 60
