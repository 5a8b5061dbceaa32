"""From replay files to games in memory: sources, columns, controllers, what is left out and why."""
