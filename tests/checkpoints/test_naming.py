"""Names: what the schemes write, that they read it back, and that no two models share one."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import PureWindowsPath

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.checkpoints import naming
from exphil_core.checkpoints.naming import (
    BadNameError,
    NamedScheme,
    NameFields,
    claim,
    finish_stem,
    load_scheme,
    reserve_stem,
)
from exphil_core.checkpoints.paths import identity, relative_problem, stem_problem
from exphil_core.checkpoints.registry import Registry
from exphil_core.plugin_manager import load_plugins

MANAGER = load_plugins()
SCHEMES = [load_scheme(MANAGER, name) for name in MANAGER.names("exphil_naming_schemes")]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
FIELDS = NameFields(
    character="mewtwo",
    backbone="mamba",
    hidden_sizes=(64, 32),
    window_size=90,
    created_at=datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc),
    val_loss=1.316,
    version=(1, 2),
)

moments = st.datetimes(
    min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(timezone.utc)
)
clean_fields = st.builds(
    NameFields,
    character=st.none() | st.sampled_from(["mewtwo", "gameandwatch", "my-fox-2"]),
    backbone=st.sampled_from(["mlp", "sliding_window", "a-b_c", "h64_w3", "x_20260119_123456", "v1_0"]),
    hidden_sizes=st.lists(st.integers(1, 4096), max_size=8).map(tuple),
    window_size=st.none() | st.integers(1, 600),
    created_at=moments,
    val_loss=st.floats(),
    version=st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
wild_fields = st.builds(
    NameFields,
    character=st.none() | st.text(),
    backbone=st.text(),
    hidden_sizes=st.lists(st.integers(0, 4096), max_size=8).map(tuple),
    window_size=st.none() | st.integers(0, 600),
    created_at=moments,
    val_loss=st.none() | st.floats(),
    version=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)


def built_in(name):
    return next(scheme for scheme in SCHEMES if scheme.name == name)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("timestamp", "mamba_20260119_123456"),
        ("character", "mewtwo_mamba_20260119_123456"),
        ("hyperparams", "mamba_h64x32_w90_20260119_123456"),
        ("performance", "mamba_20260119_123456_loss1.32"),
        ("semver", "mewtwo_mamba_v1.2"),
        ("hybrid", "mewtwo/mamba_20260119_123456"),
    ],
)
def test_the_stems_of_the_table(name, stem):
    assert built_in(name).stem(FIELDS) == stem


def test_no_character_is_any_no_window_w0_and_equal_widths_are_all_there():
    fields = attrs.evolve(FIELDS, character=None, window_size=None, hidden_sizes=(64, 64))
    assert built_in("hybrid").stem(fields).startswith("any/")
    assert built_in("hyperparams").stem(fields) == "mamba_h64x64_w0_20260119_123456"


def test_times_are_utc_whatever_the_zone():
    moved = FIELDS.created_at.astimezone(timezone(timedelta(hours=-9)))
    assert built_in("timestamp").stem(attrs.evolve(FIELDS, created_at=moved)) == "mamba_20260119_123456"


@every_scheme
@given(fields=clean_fields)
def test_each_scheme_reads_back_what_it_wrote(scheme, fields):
    stem = scheme.stem(fields)
    told = scheme.parse(stem)
    assert told is not None
    assert "copy" not in told
    for name, value in told.items():
        assert repr(value) == repr(at_name_precision(fields, name))  # repr: NaN is not itself
    for name in ("created_at", "val_loss", "version", "hidden_sizes", "character"):
        if f"{{{PLACEHOLDERS[name]}" in pattern_of(scheme):
            assert name in told


PLACEHOLDERS = {
    "created_at": "timestamp",
    "val_loss": "val_loss",
    "version": "major",
    "hidden_sizes": "hidden",
    "character": "character",
}


def pattern_of(scheme):
    return MANAGER.get("exphil_naming_schemes", scheme.name).spec.pattern


def at_name_precision(fields, name):
    value = getattr(fields, name)
    if name == "created_at":
        return value.replace(microsecond=0, fold=0)
    if name == "val_loss" and math.isfinite(value):
        return float(f"{value:.2f}" if abs(value) < 1e6 else f"{value:.2e}")
    return value


@every_scheme
@given(fields=clean_fields, number=st.integers(2, 10_000))
def test_the_number_that_a_collision_adds_is_read_back_too(scheme, fields, number):
    plain, numbered = scheme.parse(scheme.stem(fields)), scheme.parse(f"{scheme.stem(fields)}_{number}")
    if scheme.name in ("timestamp", "character", "hyperparams", "performance", "semver", "hybrid"):
        assert numbered.pop("copy") == number
        assert repr(numbered) == repr(plain)


@every_scheme
@given(fields=wild_fields)
def test_names_are_safe_on_every_system(scheme, fields):
    stem = scheme.stem(fields)
    assert stem_problem(stem) is None
    for part in stem.split("/"):
        assert part == part.lower()
        assert not part.endswith((".", " "))
        assert len(part) < 200
        assert not set(part) & set('<>:"|?*\\')
        assert part.split(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    # Reading back and writing again changes nothing: names are made safe once.
    told = scheme.parse(stem)
    again = attrs.evolve(fields, **{name: told[name] for name in ("character", "backbone") if name in told})
    assert scheme.stem(again) == stem


@pytest.mark.parametrize("stem", ["", "20260119_123456", "mamba_20260230_123456", "mamba", "../x", "a/b/c"])
@every_scheme
def test_what_a_scheme_did_not_write_it_does_not_read(scheme, stem):
    if scheme.distribution == "exphil-core":
        assert scheme.parse(stem) is None


class Wrong:
    needs_loss = needs_version = False

    def __init__(self, result):
        self.result = result

    def stem(self, fields):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def parse(self, stem):
        return None


@pytest.mark.parametrize(
    "result",
    [
        None, 7, b"x", "", ".", "..", "../x", "/x", "a/../b", "a//b", "a/", "C:/x", "C:x", "a\\b", "con", "a/NUL.x",
        "a.", "a ", "a/b ", ".hidden", "-x", "~x", "archive/x", "Archive/x", "registry", "registry.json/x",
        "x.state/y", "x_policy", "x\n", "x\0", "x?", "\ud800", "e\u0301", "a" * 250, "x\u2028y", "com¹",
        RuntimeError("boom"),
    ],
)  # fmt: skip
def test_a_scheme_that_gives_no_name_is_an_error_that_names_its_distribution(folder, result):
    scheme = NamedScheme(name="wrong", distribution="exphil-wrong", scheme=Wrong(result))
    with pytest.raises(BadNameError, match=r'"wrong" of exphil-wrong .*use another --naming'):
        reserve_stem(folder, scheme, FIELDS)
    assert not [path for path in folder.rglob("*") if not path.name.startswith("registry.json")]


def test_a_scheme_whose_reading_raises_is_named_too(folder):
    class Raising(Wrong):
        needs_version = True

        def parse(self, stem):
            raise KeyError(stem)

    claimed = NamedScheme(name="wrong", distribution="exphil-wrong", scheme=Raising("x"))
    (folder / "x_metrics.jsonl").write_text("")
    with pytest.raises(BadNameError, match="exphil-wrong raised KeyError"):
        reserve_stem(folder, claimed, FIELDS)


@given(st.text(alphabet=st.sampled_from("aZ09._-/\\: ~cCoOnN\0é?*\u0301"), max_size=12))
def test_a_safe_path_stays_inside_on_windows_too(text):
    if relative_problem(text) is None:
        path = PureWindowsPath(text)
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts
        assert path.as_posix() == text


@every_scheme
def test_a_second_run_in_the_same_second_gets_another_name(folder, scheme):
    stems = [reserve_stem(folder, scheme, FIELDS) for _ in range(3)]
    assert len({identity(stem) for stem in stems}) == 3
    for stem in stems:
        assert (folder / f"{stem}_metrics.jsonl").read_bytes() == b""
        if scheme.distribution == "exphil-core" and not scheme.scheme.needs_loss:
            assert scheme.parse(stem) is not None


def test_names_differ_beyond_case_folders_and_the_archive(folder, fakes):
    fakes.model(folder, "fox/gru_1")
    fakes.model(folder, "archive/old")
    (folder / "Loose_policy.safetensors").write_bytes(b"")
    registry = Registry(folder)
    with registry.lock():
        assert claim(registry, "fox_gru_1") == "fox_gru_1_2"
        assert claim(registry, "FOX/GRU_1") == "FOX/GRU_1_3"
        assert claim(registry, "old") == "old_2"
        assert claim(registry, "loose") == "loose_2"


def test_many_at_once_get_as_many_names(folder):
    with ThreadPoolExecutor(8) as pool:
        stems = list(pool.map(lambda _: reserve_stem(folder, built_in("timestamp"), FIELDS), range(24)))
    assert len(set(stems)) == 24


def test_semver_takes_the_next_free_version(folder, fakes):
    semver = built_in("semver")
    first = attrs.evolve(FIELDS, version=None)
    assert reserve_stem(folder, semver, first) == "mewtwo_mamba_v1.0"
    assert reserve_stem(folder, semver, first) == "mewtwo_mamba_v1.1"
    assert reserve_stem(folder, semver, first, bump="major") == "mewtwo_mamba_v2.0"
    fakes.model(folder, "mewtwo_mamba_v2.11")
    fakes.model(folder, "archive/mewtwo_mamba_v3.9")
    assert reserve_stem(folder, semver, first) == "mewtwo_mamba_v3.10"
    other = attrs.evolve(first, character="fox")
    assert reserve_stem(folder, semver, other) == "fox_mamba_v1.0"


def test_a_bump_that_is_neither_is_refused(folder):
    with pytest.raises(ValueError, match="major"):
        reserve_stem(folder, built_in("semver"), FIELDS, bump="patch")


def test_performance_runs_stand_under_the_timestamp_until_the_loss_is_known(folder, fakes):
    performance = built_in("performance")
    stem = reserve_stem(folder, performance, attrs.evolve(FIELDS, val_loss=None))
    assert stem == "mamba_20260119_123456"
    fakes.write_files(folder, stem)
    before = sorted(content for content in fakes.model_files(folder).values())
    assert Registry(folder).models() == []
    final = finish_stem(folder, performance, FIELDS, stem)
    assert final == "mamba_20260119_123456_loss1.32"
    assert Registry(folder).models() == []
    assert sorted(content for content in fakes.model_files(folder).values()) == before
    assert {name[: len(final)] for name in fakes.model_files(folder)} == {final}


def test_the_final_name_collides_with_nothing_either(folder, fakes):
    performance = built_in("performance")
    fakes.model(folder, "mamba_20260119_123456_loss1.32")
    stem = reserve_stem(folder, performance, FIELDS)
    assert finish_stem(folder, performance, FIELDS, stem) == "mamba_20260119_123456_loss1.32_2"


@every_scheme
def test_other_schemes_keep_the_name_that_they_gave(folder, scheme):
    if not scheme.scheme.needs_loss:
        stem = reserve_stem(folder, scheme, FIELDS)
        assert finish_stem(folder, scheme, FIELDS, stem) == stem


def test_a_kill_while_renaming_leaves_the_run_under_its_first_name(folder, fakes, monkeypatch):
    performance = built_in("performance")
    stem = reserve_stem(folder, performance, FIELDS)
    fakes.write_files(folder, stem)
    before = fakes.model_files(folder)
    real = naming.journal.transact
    for step in range(6):
        monkeypatch.setattr(
            naming.journal, "transact", lambda *a, s=step, **k: real(*a, **k, step=fakes.kill_at(s))
        )
        with pytest.raises(fakes.Killed):
            finish_stem(folder, performance, FIELDS, stem)
        monkeypatch.undo()
        with Registry(folder).lock():
            pass
        assert fakes.model_files(folder) == before
