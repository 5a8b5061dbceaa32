"""An evaluation as one self-contained page: `page.page_of` makes its text, `choice.choose_game` picks its game."""
