"""Giving a policy to others: as a bot for a league, as a graph for another runtime, or as a plugin wants it."""
