"""Building: never an error for the user, once for each machine, and safe beside others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from exphil_core.errors import ExphilError
from exphil_core.kernels.build import (
    SOURCES,
    BuildError,
    Recipe,
    built,
    find_compiler,
    forget_failures,
    openmp_library,
)
from exphil_core.kernels.library import Attempt, attempt, load
from exphil_core.kernels.variants import VARIANTS, chosen_variant, runs_here

PLAIN = VARIANTS[-1]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPHIL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiler() -> str:
    found = find_compiler()
    if found is None:
        pytest.skip("no C++ compiler here")
    return found


def fake_compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CXX that counts its calls."""
    path = folder / "fake-cxx"
    path.write_text(f"#!/bin/sh\necho called >> {folder / 'calls'}\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    return folder / "calls"


@pytest.mark.parametrize(
    ("wanted", "setting", "capability", "expected"),
    [
        (None, None, "AVX512", "avx512"),
        (None, None, "AVX2", "avx2"),
        (None, None, "DEFAULT", "plain"),
        (None, "auto", "AVX2", "avx2"),
        (None, "plain", "AVX512", "plain"),
        (None, "avx2", "AVX512", "avx2"),
        (None, "off", "AVX512", None),
        ("plain", "off", "AVX2", "plain"),
    ],
)
def test_the_variant(wanted: str | None, setting: str | None, capability: str, expected: str | None) -> None:
    environment = {"EXPHIL_KERNEL": setting} if setting else {}
    variant = chosen_variant(wanted, environment, capability)
    assert (variant.name if variant else None) == expected


@pytest.mark.parametrize(
    ("setting", "says"), [("avx512", "this CPU doesn't have"), ("fast", "choose one of auto, off, avx512")]
)
def test_a_variant_that_can_t_be_is_told(setting: str, says: str) -> None:
    with pytest.raises(ExphilError, match=f"EXPHIL_KERNEL={setting}.*{says}"):
        chosen_variant(None, {"EXPHIL_KERNEL": setting}, "AVX2")


def test_without_a_compiler_there_is_a_reason_and_no_error(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert attempt.__wrapped__("plain") == Attempt(
        None, "no C++ compiler was found (g++ or clang++ on the path, or CXX)"
    )
    assert attempt.__wrapped__("off") == Attempt(None, "EXPHIL_KERNEL=off")


@pytest.mark.skipif(os.name == "nt", reason="a shell script plays the compiler")
def test_a_failed_build_is_remembered_and_can_be_tried_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fake_compiler(tmp_path, "echo 'kernel.cpp:1: error: too old' >&2; exit 1", monkeypatch)
    with pytest.raises(
        BuildError, match=r"fake-cxx can't be built|fake-cxx can't build it: .*error: too old"
    ):
        built(PLAIN)
    tried = calls.read_text()
    with pytest.raises(BuildError, match="error: too old"):
        built(PLAIN)
    assert calls.read_text() == tried
    forget_failures()
    with pytest.raises(BuildError, match="error: too old"):
        built(PLAIN)
    assert calls.read_text() != tried


@pytest.mark.skipif(os.name == "nt", reason="a shell script plays the compiler")
def test_what_can_t_be_loaded_is_a_reason_too(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'for last; do :; done; echo "not a library" > "$last"'
    fake_compiler(tmp_path, script, monkeypatch)
    got = attempt.__wrapped__("plain")
    assert got.kernel is None
    assert "can't be loaded" in got.why


def test_a_cache_that_can_t_be_written_is_a_reason_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EXPHIL_CACHE", str(tmp_path / "file"))
    got = attempt.__wrapped__("plain")
    assert got.kernel is None
    assert str(tmp_path) in got.why


def test_several_at_once_build_one_library_that_works(cache: Path, compiler: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: built(PLAIN), range(2)))
    assert paths[0] == paths[1]
    assert [path.name for path in (cache / "kernels").iterdir()] == [paths[0].name]
    assert load(paths[0], "plain").chunk > 0
    before = paths[0].stat().st_mtime_ns
    assert built(PLAIN).stat().st_mtime_ns == before


def test_the_name_changes_with_all_that_matters(tmp_path: Path, compiler: str) -> None:
    recipe = Recipe(variant=PLAIN, compiler=compiler, openmp=openmp_library())
    edited = tmp_path / "native"
    shutil.copytree(SOURCES, edited)
    (edited / "scan.h").write_text((edited / "scan.h").read_text() + "\n")
    others = [
        attrs.evolve(recipe, variant=VARIANTS[0]),
        attrs.evolve(recipe, openmp=None),
        attrs.evolve(recipe, compiler=sys.executable),
        attrs.evolve(recipe, sources=edited),
    ]
    assert len({recipe.key(), *(other.key() for other in others)}) == 5


def test_torch_and_the_kernel_share_one_openmp(compiler: str) -> None:
    """Two copies would each keep threads that wait for work and take the cores from each other."""
    if not Path("/proc/self/maps").exists() or openmp_library() is None:
        pytest.skip("no /proc, or this torch brings no OpenMP of GCC's")
    if attempt().kernel is None:
        pytest.skip(attempt().why)
    maps = Path("/proc/self/maps").read_text()
    assert len({line.split()[-1] for line in maps.splitlines() if "libgomp" in line}) == 1


def test_sources_travel_with_the_package() -> None:
    from importlib.resources import files

    names = {path.name for path in files("exphil_core.kernels").joinpath("native").iterdir()}
    headers = {f"{name}.h" for name in ("scan", "convolution", "gru", "step", "draw", "vectors", "memory")}
    assert {"kernel.cpp", *headers} <= names


@pytest.mark.all_only
def test_no_access_is_out_of_bounds(tmp_path: Path, compiler: str) -> None:
    """Ragged shapes in buffers of exactly their size, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    driver = Path(__file__).parent / "sanitized.cpp"
    builds = {v.name: list(v.flags) for v in VARIANTS if runs_here(v)}
    for name, own in {**builds, "sixteen": ["-DW=16"]}.items():
        program = tmp_path / name
        flags = ["-std=c++17", "-O1", "-g", "-w", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        made = subprocess.run(
            [compiler, *flags, *own, f"-I{SOURCES}", str(driver), "-o", str(program)],
            capture_output=True,
            text=True,
        )
        if made.returncode and "sanitize" in made.stderr:
            pytest.skip("this compiler has no sanitizers")
        assert made.returncode == 0, made.stderr
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1"}
        done = subprocess.run([program], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.startswith("passed")
