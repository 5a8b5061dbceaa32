"""A pruning strategy for ExPhil: the best models of each character, within a disk budget."""
