"""A stage as the sandbox plays it: its floor and platforms, ledges, blast zones and where fighters start."""

from __future__ import annotations

import attrs

from exphil_core.melee.stages import Stage

FLOOR = 1


@attrs.frozen
class Surface:
    """Something to stand on. `ground` is the id that replays tell; platforms can be dropped through."""

    ground: int
    height: float
    left: float
    right: float


@attrs.frozen
class Arena:
    """Geometry of one stage in Melee's units. Platforms stand still; below the floor all is rock."""

    stage: Stage
    surfaces: tuple[Surface, ...]
    by_ground: dict[int, Surface]

    @classmethod
    def of(cls, stage: Stage) -> Arena:
        """The arena of `stage`."""
        floor = Surface(FLOOR, 0.0, -stage.edge_x, stage.edge_x)
        platforms = tuple(
            Surface(FLOOR + 1 + i, p.height, p.left, p.right) for i, p in enumerate(stage.platforms)
        )
        surfaces = (floor, *platforms)
        return cls(stage, surfaces, {s.ground: s for s in surfaces})

    def start(self, side: int) -> tuple[float, float]:
        """Where the player on `side` (-1 left, 1 right) starts: over its platform, or halfway to the edge."""
        for surface in self.surfaces[1:]:
            centre = (surface.left + surface.right) / 2
            if centre * side > 5.0:
                return centre, surface.height + 24.0
        return 0.5 * side * self.stage.edge_x, 24.0

    def outside(self, x: float, y: float) -> bool:
        """Whether a point lies beyond a blast zone."""
        s = self.stage
        return x < s.blast_left or x > s.blast_right or y > s.blast_top or y < s.blast_bottom
