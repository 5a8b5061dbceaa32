"""Builds the CPU kernel at its first use, into the user's cache folder.

Not at installation: the wheel stays the same for every machine, a compiler that is installed later is found, and the
instruction set is that of the machine that runs. A build takes 2 to 3 s, once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
import torch

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.errors import ExphilError
from exphil_core.kernels.variants import Variant
from exphil_core.replays.cache_folder import cache_folder

SOURCES = Path(__file__).parent / "native"
MAIN_SOURCE = "kernel.cpp"
COMPILERS = ("g++", "c++", "clang++")
# No -ffast-math: it breaks NaNs, by which a run that diverges is noticed. FMAs are allowed, reordering isn't.
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-w")
SECONDS = 120
# A build that failed isn't tried again for so long: the user would wait for it at each start.
RETRY_AFTER = 24 * 3600.0


class BuildError(ExphilError):
    """Why there is no kernel. Never reaches users as an error: the fallback runs instead."""


def find_compiler() -> str | None:
    """The C++ compiler: the CXX of the environment, or one that is on the path."""
    own = os.environ.get("CXX", "").strip()
    return next((found for name in ((own,) if own else COMPILERS) if (found := shutil.which(name))), None)


def openmp_library() -> Path | None:
    """torch's own copy of GCC's OpenMP: linked to it, kernel and torch share one pool of threads."""
    home = Path(torch.__file__).parent
    for folder in (home / "lib", home.parent / "torch.libs"):
        found = sorted(folder.glob("libgomp*.so*"))
        if found:
            return found[0]
    return None


@attrs.frozen(kw_only=True)
class Recipe:
    """Everything that decides what a build gives."""

    variant: Variant
    compiler: str
    openmp: Path | None
    sources: Path = SOURCES

    def key(self) -> str:
        """Changes with sources, flags, compiler, machine and torch's OpenMP."""
        compiler = Path(self.compiler).stat()
        parts = [
            *FLAGS,
            *self.variant.flags,
            self.compiler,
            str((compiler.st_size, compiler.st_mtime_ns)),
            sys.platform,
            platform.machine(),
            str(self.openmp),
        ]
        digest = hashlib.sha256("\0".join(parts).encode())
        for path in sorted(self.sources.iterdir()):
            if path.suffix in (".h", ".cpp"):
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    def commands(self, scratch: Path, target: Path) -> list[list[str]]:
        """Compile, then link: with the library instead of -fopenmp, or the linker would add the system's own."""
        made = str(scratch / "kernel.o")
        source = str(self.sources / MAIN_SOURCE)
        flags = [*FLAGS, *self.variant.flags]
        if self.openmp is None:
            return [[self.compiler, *flags, "-shared", source, "-o", str(target)]]
        return [
            [self.compiler, *flags, "-fopenmp", "-c", source, "-o", made],
            [self.compiler, "-shared", made, str(self.openmp), "-o", str(target)],
        ]


def built(variant: Variant) -> Path:
    """The library of a variant, built if it isn't there yet.

    Any number of processes may do this at once. Raises BuildError.
    """
    compiler = find_compiler()
    if compiler is None:
        raise BuildError("no C++ compiler was found (g++ or clang++ on the path, or CXX)")
    recipe = Recipe(variant=variant, compiler=compiler, openmp=openmp_library())
    try:
        folder = cache_folder(None) / "kernels"
        target = folder / f"{variant.name}-{recipe.key()}.so"
        if target.is_file():
            return target
        failure = target.with_suffix(".failed")
        if failure.is_file() and time.time() - failure.stat().st_mtime < RETRY_AFTER:
            raise BuildError(failure.read_text(encoding="utf-8", errors="replace"))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            write_bytes(target, compiled(recipe))
        except BuildError as error:
            write_bytes(failure, str(error).encode())
            raise
        failure.unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(f"{error.filename or 'the cache folder'}: {error.strerror or error}") from error
    return target


def forget_failures() -> None:
    """Let the next `built` try again whatever failed before."""
    with contextlib.suppress(OSError, ExphilError):
        for path in (cache_folder(None) / "kernels").glob("*.failed"):
            path.unlink(missing_ok=True)


def compiled(recipe: Recipe) -> bytes:
    """The library's bytes; without OpenMP if the compiler has none. Raises BuildError with what it said."""
    with tempfile.TemporaryDirectory(prefix="exphil-kernel-") as name:
        target = Path(name) / "kernel.so"
        said = _run(recipe.commands(Path(name), target))
        if said and recipe.openmp is not None:
            alone = attrs.evolve(recipe, openmp=None)
            said = _run(alone.commands(Path(name), target)) and said
        if said:
            raise BuildError(f"{recipe.compiler} can't build it: {said}")
        return target.read_bytes()


def _run(commands: Sequence[Sequence[str]]) -> str:
    """The last line that the compiler said where it failed, otherwise nothing."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return f"it was not done after {SECONDS} s"
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            return (errors or done.stderr.split("\n") or [""])[0].strip() or f"exit status {done.returncode}"
    return ""
