"""How long frames took, and which were too late."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from exphil_core.melee import FRAMES_PER_SECOND

FRAME_MS = 1000 / FRAMES_PER_SECOND


class Latencies:
    """Milliseconds from a frame's arrival to its controller; frames that never came, and those that were skipped as
    newer ones were there already."""

    def __init__(self) -> None:
        self._ms = array("d")
        self.missing, self.skipped = 0, 0

    def add(self, ms: float, missing: int = 0) -> None:
        """One frame; `missing` never came before it."""
        self._ms.append(ms)
        self.missing += missing

    def __len__(self) -> int:
        return len(self._ms)

    def summary(self) -> dict[str, Any]:
        """`frames` that were played, `p50_ms`, `p99_ms`, `max_ms` (none without frames), `late` (longer than a frame
        lasts), `skipped` and `missing`."""
        ms = np.array(self._ms)
        found: dict[str, Any] = {"frames": len(ms), "late": int((ms > FRAME_MS).sum())}
        found |= {"skipped": self.skipped, "missing": self.missing}
        if len(ms):
            p50, p99 = np.percentile(ms, [50, 99])
            found |= {"p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(float(ms.max()), 3)}
        return found

    def text(self) -> str:
        """The same for people."""
        s = self.summary()
        if not s["frames"]:
            return "no frame was played"
        return (
            f"a frame took {s['p50_ms']:.1f} ms (p50), {s['p99_ms']:.1f} ms (p99), {s['max_ms']:.1f} ms at most; "
            f"{s['late']:,} of {s['frames']:,} took longer than a frame lasts ({FRAME_MS:.1f} ms), "
            f"{s['skipped']:,} were skipped, {s['missing']:,} missing"
        )
