"""How often a run saves its state between epochs: `500` steps, or a time such as `10m`."""

from __future__ import annotations

import attrs

from exphil_core.options import Rule, duration


@attrs.frozen(kw_only=True)
class SaveEvery:
    """A number of steps, or seconds, or neither."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | None) -> SaveEvery:
        """Read `500` or `10m`. ValueError for anything else."""
        if text is None:
            return cls()
        if text.strip().isdecimal():
            if int(text) == 0:
                raise ValueError("0 steps")
            return cls(steps=int(text))
        seconds = duration(text)
        if seconds <= 0:
            raise ValueError("no time at all")
        return cls(seconds=seconds)

    def due(self, steps: int, seconds: float) -> bool:
        """Whether it is time to save, so many steps and seconds after the last save."""
        return (self.steps is not None and steps >= self.steps) or (
            self.seconds is not None and seconds >= self.seconds
        )


def _readable(text: str) -> bool:
    try:
        SaveEvery.parse(text)
    except ValueError:
        return False
    return True


RULE = Rule(says="a number of steps, as in 500, or a time, as in 10m", holds=_readable)
