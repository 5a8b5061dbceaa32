"""Curves drawn: in the terminal with characters alone, or as a picture with matplotlib."""
