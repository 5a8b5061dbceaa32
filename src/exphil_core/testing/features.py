"""The conformance suite of character features."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ExphilError
from exphil_core.features.character import ActiveFeature, FeatureTracker, FighterRows, feature_flip
from exphil_core.melee.characters import CHARACTERS, find_character
from exphil_core.melee.stages import STAGES
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import CharacterFeatureSpec
from exphil_core.testing.rows import cut_rows, mirror_fighter, random_rows
from exphil_core.testing.subject import claim, factory_of, find, said

HOOK = "exphil_character_features"
TOLERANCE = 1e-5

Floats = npt.NDArray[np.float32]


def check_character_feature(
    feature: CharacterFeatureSpec | str,
    *,
    rows: Iterable[FighterRows] = (),
    manager: PluginManager | None = None,
    frames: int = 300,
) -> None:
    """Check a character feature: shape, range and finite values, unknown state included; a whole game at once,
    one frame at a time and any chunks give the same; deterministic; rows stay as they are; trackers share nothing;
    in a mirror, `mirrored` columns change their sign and the others stay.

    It is fed made-up rows of its characters and of others, and `rows` of your own.
    """
    entry = find(HOOK, feature, manager)
    spec: CharacterFeatureSpec = entry.spec
    _claim_spec(spec)
    active = ActiveFeature(entry, factory_of(_who(spec), spec.factory))
    subject = _Subject(spec=spec, active=active, flip=feature_flip([active]))
    samples = [*_samples(spec, frames), *rows]
    # Unknown and far-off positions are part of the contract; whether numpy mentions them is not.
    with np.errstate(all="ignore"):
        for index, sample in enumerate(samples):
            whole = _claim_rows_stay(subject, sample)
            again = subject.track(subject.make(), sample)
            subject.claim_same(again, whole, "a second tracker gives other values for the same frames")
            _claim_chunks_agree(subject, sample, whole, seed=index)
            _claim_mirror(subject, sample, whole)
        _claim_nothing_shared(subject, samples)


def _who(spec: CharacterFeatureSpec) -> str:
    return f"character feature {spec.name}"


def _samples(spec: CharacterFeatureSpec, frames: int) -> list[FighterRows]:
    other = next(c.name for c in CHARACTERS if c.name not in spec.characters)
    casts: list[Sequence[str]] = [*((name,) for name in spec.characters[:4]), (other,)]
    casts.append((*spec.characters[:2], other, spec.characters[0]))
    samples = [
        random_rows(seed, frames, characters=cast, stage=STAGES[seed % len(STAGES)].name, unknown=unknown)
        for seed, (cast, unknown) in enumerate((cast, unknown) for cast in casts for unknown in (0, 0.3, 1))
    ]
    far = samples[0]
    return [*samples, attrs.evolve(far, state=far.state * 100, opponent_state=far.opponent_state * 100)]


@attrs.frozen(eq=False)
class _Subject:
    spec: CharacterFeatureSpec
    active: ActiveFeature
    flip: Floats

    def make(self) -> FeatureTracker:
        try:
            return self.active.make()
        except Exception as error:
            raise AssertionError(f"{_who(self.spec)}: its factory raised {said(error)}") from error

    def track(self, tracker: FeatureTracker, rows: FighterRows) -> Floats:
        try:
            values = self.active.track(tracker, rows)
        except ExphilError as error:
            raise AssertionError(str(error)) from error
        claim(np.isfinite(values).all(), f"{_who(self.spec)} gave a value that is not finite")
        return values

    def pieces(self, rows: FighterRows, cuts: Sequence[int]) -> Floats:
        tracker = self.make()
        return np.concatenate([self.track(tracker, piece) for piece in cut_rows(rows, cuts)])

    def claim_same(self, got: Floats, expected: Floats, sentence: str) -> None:
        wrong = np.abs(got - expected) > TOLERANCE
        if wrong.any():
            frame, column = (int(axis[0]) for axis in np.nonzero(wrong))
            raise AssertionError(
                f"{_who(self.spec)}: {sentence} (column {self.spec.columns[column].name} of frame {frame} is "
                f"{got[frame, column]:g}, not {expected[frame, column]:g})"
            )


def _claim_spec(spec: CharacterFeatureSpec) -> None:
    who = _who(spec)
    claim(spec.columns, f"{who} has no columns")
    claim(spec.characters, f"{who} suits no character")
    for name in spec.characters:
        character = find_character(name)
        claim(character is not None, f"{who} suits {name}, which is no character of Melee")
        claim(
            character is None or character.name == name,
            f"{who} suits {name}: write {character.name if character else ''}, the name ExPhil uses",
        )
    names = [column.name for column in spec.columns]
    claim(len(set(names)) == len(names), f"{who} has two columns of one name: {', '.join(names)}")
    for column in spec.columns:
        claim(
            math.isfinite(column.low) and math.isfinite(column.high) and column.low < column.high,
            f"{who}: column {column.name} has no range: {column.low:g} to {column.high:g}",
        )
        claim(
            not column.mirrored or column.low == -column.high,
            f"{who}: the sign of column {column.name} flips in a mirror, so its range must be symmetric, not "
            f"{column.low:g} to {column.high:g}",
        )


def _claim_rows_stay(subject: _Subject, rows: FighterRows) -> Floats:
    """The columns of `rows`, which must be afterwards as they were before."""
    fields = ("state", "action", "character", "opponent_state", "opponent_action")
    before = {name: getattr(rows, name).copy() for name in fields}
    whole = subject.track(subject.make(), rows)
    for name, values in before.items():
        claim(
            np.array_equal(getattr(rows, name), values, equal_nan=values.dtype.kind == "f"),
            f"{_who(subject.spec)} changes the {name} of the rows that it is given",
        )
    return whole


def _claim_chunks_agree(subject: _Subject, rows: FighterRows, whole: Floats, seed: int) -> None:
    count = len(rows.action)
    if count < 2:
        return
    single = subject.pieces(rows, range(1, count))
    subject.claim_same(single, whole, "one frame at a time gives other values than the whole game at once")
    rng = np.random.default_rng(seed)
    cuts = sorted({int(cut) for cut in rng.integers(1, count, 9)})
    subject.claim_same(
        subject.pieces(rows, cuts),
        whole,
        f"chunks cut at {cuts} give other values than the whole game at once",
    )


def _claim_mirror(subject: _Subject, rows: FighterRows, whole: Floats) -> None:
    seen = subject.track(subject.make(), mirror_fighter(rows))
    subject.claim_same(
        seen,
        whole * subject.flip,
        "in a mirror, columns marked `mirrored` must change their sign and all others stay",
    )


def _claim_nothing_shared(subject: _Subject, samples: Sequence[FighterRows]) -> None:
    """Two fighters' trackers, fed in turns, give what each gives alone."""
    claim(
        subject.make() is not subject.make(),
        f"{_who(subject.spec)}: its factory gives the same tracker twice; trackers must share nothing",
    )
    pair = [rows for rows in samples if len(rows.action) > 1][:2]
    alone = [subject.track(subject.make(), rows) for rows in pair]
    trackers = [subject.make() for _ in pair]
    both: list[list[Floats]] = [[] for _ in pair]
    for pieces in zip(*map(_frames, pair), strict=False):
        for index, piece in enumerate(pieces):
            both[index].append(subject.track(trackers[index], piece))
    for parts, expected in zip(both, alone, strict=True):
        got = np.concatenate(parts)
        subject.claim_same(got, expected[: len(got)], "two trackers fed in turns disturb each other")


def _frames(rows: FighterRows) -> Iterator[FighterRows]:
    return cut_rows(rows, range(1, len(rows.action)))
