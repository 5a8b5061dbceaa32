"""Settings are checked strictly, all at once, each problem with its path, value and rule."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.cli.settings import flag_of, given_flags, spread_greedy
from exphil_core.config.schema import TrainConfig
from exphil_core.options import (
    at_least,
    check_values,
    duration,
    field_types,
    from_text,
    info_of,
    one_of,
    option,
)


@attrs.frozen(kw_only=True)
class Sample:
    count: int = option(1, rule=at_least(1), help="A number of things.")
    rate: float = option(0.5, help="A rate.")
    on: bool = option(False, help="A switch.")
    words: tuple[str, ...] = option((), help="Words.")
    sizes: tuple[int, ...] = option((8,), rule=at_least(1), help="Sizes.")
    limit: int | None = option(None, rule=at_least(1), help="A limit.")
    kind: str = option("red", rule=one_of("red", "green"), help="A colour.")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("count", 1.5, "is not a whole number"),
        ("count", True, "is not a whole number"),
        ("count", "3", "is not a whole number"),
        ("count", 0, "must be at least 1"),
        ("count", None, "is not a whole number"),
        ("rate", True, "is not a number"),
        ("rate", math.nan, "is not a finite number"),
        ("rate", math.inf, "is not a finite number"),
        ("on", 1, "is not true or false"),
        ("words", "abc", "is not a list"),
        ("words", [1], "is not a text"),
        ("sizes", [8, 0], "must be at least 1"),
        ("sizes", [8, 1.5], "is not a whole number"),
        ("limit", 0, "must be at least 1"),
        ("kind", "gren", 'must be one of red, green (did you mean "green"?)'),
        ("cuont", 3, 'is not a setting (did you mean "count"?)'),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(name: str, value: Any, says: str) -> None:
    good, (problem,) = check_values(Sample, {name: value})
    assert not good
    assert problem.path == name
    assert problem.reason == says
    assert name in str(problem)


def test_right_values_pass_unchanged() -> None:
    values = {
        "count": 3,
        "rate": 1,
        "on": True,
        "words": ["a"],
        "sizes": [4, 2],
        "limit": None,
        "kind": "green",
    }
    good, problems = check_values(Sample, values)
    assert not problems
    assert good == {**values, "rate": 1.0, "words": ("a",), "sizes": (4, 2)}
    assert isinstance(good["rate"], float)


def test_every_problem_is_reported_at_once() -> None:
    _, problems = check_values(Sample, {"count": 0, "rate": "x", "nope": 1, "kind": "blue"})
    assert [problem.path for problem in problems] == ["count", "rate", "nope", "kind"]


@given(st.integers(-5, 10**9))
def test_text_and_value_are_judged_alike(number: int) -> None:
    typed = check_values(Sample, {"count": str(number)}, texts=True)
    assert typed[0] == check_values(Sample, {"count": number})[0]
    assert bool(typed[1]) == (number < 1)


@given(st.text(max_size=20))
def test_no_text_whatever_raises_anything_but_a_problem(text: str) -> None:
    for name in attrs.fields_dict(Sample):
        good, problems = check_values(Sample, {name: text}, texts=True)
        assert len(good) + len(problems) == 1


@given(st.floats(0.001, 10**6).map(lambda x: round(x, 3)), st.sampled_from("smhd"))
def test_durations(amount: float, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert duration(f"{amount:.3f}{unit}") == pytest.approx(amount * seconds)


@pytest.mark.parametrize("text", ["", "x", "10 weeks", "-5m", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


def test_none_spells_nothing_where_that_is_allowed() -> None:
    assert from_text("none", int | None) is None
    assert from_text("none", tuple[str, ...]) == () == from_text("None", tuple[int, ...])
    assert check_values(Sample, {"count": "none"}, texts=True)[1]


def test_every_setting_has_help_a_flag_and_a_default_that_keeps_its_own_rule() -> None:
    flags = set()
    for field in attrs.fields(TrainConfig):
        info = info_of(field)
        assert info is not None
        assert info.help.endswith(".")
        flags.add(flag_of(field.name, info))
    assert len(flags) == len(attrs.fields(TrainConfig))
    values = attrs.asdict(TrainConfig())
    assert check_values(TrainConfig, values)[1] == []
    assert set(field_types(TrainConfig)) == set(values)


def test_given_flags_are_those_that_were_typed() -> None:
    typed = {"replays": ("a,b", "c"), "tags": ("x", "y,z"), "mirror": None, "any_player": False, "stage": ()}
    assert given_flags(TrainConfig, typed) == {
        "replays": ("a,b", "c"),
        "tags": "x,y,z",
        "any_player": False,
    }


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        ("--replays a b --lr 1", "--replays a --replays b --lr 1"),
        ("--replays a --replays b", "--replays a --replays b"),
        ("--lr 1 --replays a b c", "--lr 1 --replays a --replays b --replays c"),
        ("--replays", "--replays"),
        ("--replays --lr 1", "--replays --lr 1"),
        ("--replays=a --lr 1", "--replays=a --lr 1"),
    ],
)
def test_replays_take_all_words_up_to_the_next_flag(words: str, spread: str) -> None:
    assert spread_greedy(words.split()) == spread.split()
