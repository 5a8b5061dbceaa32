"""`check_naming_scheme`: every registered scheme passes; each way to break the contract is caught and named."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from exphil_core import NamingSchemeSpec
from exphil_core.checkpoints.naming import NameFields
from exphil_core.checkpoints.schemes import Semver, Timestamp, time_word
from exphil_core.plugin_manager import load_plugins
from exphil_core.testing import check_naming_scheme


@pytest.mark.parametrize("name", load_plugins().names("exphil_naming_schemes"))
def test_every_registered_scheme_passes(name: str) -> None:
    check_naming_scheme(name)


class Reads(Timestamp):
    """The timestamp scheme; each class below tells something else of a name."""

    def parse(self, stem: str) -> dict[str, object] | None:
        fields = super().parse(stem)
        return None if fields is None else self.change(fields)

    def change(self, fields: dict[str, object]) -> Any:
        return fields


class LiesAboutTime(Reads):
    def change(self, fields: Any) -> Any:
        return {**fields, "created_at": fields["created_at"] + timedelta(days=1)}


class LiesAboutCharacter(Reads):
    def change(self, fields: Any) -> Any:
        return {**fields, "character": "fox"}


class TellsMore(Reads):
    def change(self, fields: Any) -> Any:
        return {**fields, "epochs": 3}


class TellsAList(Reads):
    def change(self, fields: Any) -> Any:
        return list(fields.items())


class ForgetsItsOwn(Reads):
    def change(self, fields: Any) -> Any:
        return None


class MistakesCopies(Timestamp):
    """Reads the core's `_2` as part of the backbone's name."""

    def parse(self, stem: str) -> dict[str, object] | None:
        fields = super().parse(stem)
        if fields and fields.pop("copy", None):
            fields["backbone"] = f"{fields['backbone']}_2"
        return fields


class RaisesOnOthers(Timestamp):
    def parse(self, stem: str) -> dict[str, object] | None:
        fields = super().parse(stem)
        if fields is None:
            raise ValueError("not mine")
        return fields


class NeedsACharacter(Timestamp):
    def stem(self, fields: NameFields) -> str:
        assert fields.character is not None
        return super().stem(fields)


class EqualWidthsOnly(Timestamp):
    def stem(self, fields: NameFields) -> str:
        (_,) = set(fields.hidden_sizes)
        return super().stem(fields)


class Unsafe(Timestamp):
    """A folder for each backbone, one of which Windows takes for a device."""

    def stem(self, fields: NameFields) -> str:
        return f"{fields.backbone}/{time_word(fields)}"

    def parse(self, stem: str) -> dict[str, object] | None:
        return {}


class FailsOnOddWords(Timestamp):
    def stem(self, fields: NameFields) -> str:
        fields.backbone.encode("ascii")
        return super().stem(fields)


class Absolute(Timestamp):
    def stem(self, fields: NameFields) -> str:
        return f"/models/{super().stem(fields)}"


class Counts(Timestamp):
    counter = itertools.count()

    def stem(self, fields: NameFields) -> str:
        return f"{super().stem(fields)}_{next(self.counter) + 1}"


class HidesTheLoss(Timestamp):
    """Puts the loss into a name that is made before it is known."""

    def stem(self, fields: NameFields) -> str:
        loss = fields.val_loss
        return f"l{int(loss * 100) if loss and abs(loss) < 1e6 else 0}_{super().stem(fields)}"

    def parse(self, stem: str) -> dict[str, object] | None:
        read = super().parse(stem)
        return {"created_at": read["created_at"]} if read else None


class NeedsForNothing(Timestamp):
    needs_loss = True


class VersionUntold(Semver):
    def parse(self, stem: str) -> dict[str, object] | None:
        read = super().parse(stem)
        return {name: value for name, value in read.items() if name != "version"} if read else None


class NeedsPerhaps(Timestamp):
    needs_loss = "perhaps"  # type: ignore[assignment]


class NoParse:
    def stem(self, fields: NameFields) -> str:
        return "x"


class CannotBeMade(Timestamp):
    def __init__(self) -> None:
        raise RuntimeError("no")


def spec_of(thing: Any) -> NamingSchemeSpec:
    return NamingSchemeSpec(name="tried", factory=f"{__name__}:{thing.__name__}")


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (LiesAboutTime, "reads .* in .*, which it would call"),
        (LiesAboutCharacter, "reads character as 'fox' in .*; it was"),
        (TellsMore, r"parse\(.*\) tells epochs, no field of a name"),
        (TellsAList, "not a dict or None"),
        (ForgetsItsOwn, 'does not recognise its own name "mamba_20260119_123456"'),
        (MistakesCopies, "_2., the second model of the name"),
        (RaisesOnOthers, 'parse raised ValueError: not mine for ""'),
        (NeedsACharacter, r"stem raised AssertionError.*NameFields\(character=None"),
        (EqualWidthsOnly, r"stem raised ValueError.*hidden_sizes=\(64, 32, 16\)"),
        (Unsafe, "gave the name 'nul/20260119_123456', which has the part .nul., a device on Windows"),
        (FailsOnOddWords, "stem raised UnicodeEncodeError"),
        (Absolute, "which is absolute"),
        (Counts, "is not deterministic"),
        (HidesTheLoss, "puts val_loss into names: set needs_loss = True"),
        (NeedsForNothing, "needs_loss = True, but its names don't hold val_loss"),
        (VersionUntold, r"needs a version, so parse must tell it: \(1, 0\), not None"),
        (NeedsPerhaps, "needs_loss must be True or False, not 'perhaps'"),
        (NoParse, r"has no parse\(…\)"),
        (CannotBeMade, "its factory raised RuntimeError: no"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(cls: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_naming_scheme(spec_of(cls))
    assert "\n" not in str(caught.value)


def test_a_scheme_may_be_an_object_and_may_tell_little() -> None:
    check_naming_scheme(NamingSchemeSpec(name="tried", factory=f"{__name__}:BY_DAY"))


class ByDay:
    """Names that differ by day alone; the core numbers what collides."""

    def stem(self, fields: NameFields) -> str:
        return f"day/{time_word(fields)[:8]}"

    def parse(self, stem: str) -> dict[str, object] | None:
        return {} if stem.startswith("day/") else None


BY_DAY = ByDay()
