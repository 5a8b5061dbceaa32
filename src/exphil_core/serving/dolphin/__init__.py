"""Playing Melee in Slippi Dolphin, through libmelee. `session.play_session` is all of it."""
