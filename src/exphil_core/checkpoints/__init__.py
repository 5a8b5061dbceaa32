"""Models on disk: their names, files, registry, ranking, lineage and pruning. Nothing here imports torch."""
