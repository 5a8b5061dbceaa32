"""What `exphil doctor` looks at: each check is a function from the plugins to findings."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator

import attrs

from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager

# `note`: works, but could be better. `broken`: the user should do something about it.
OK, NOTE, BROKEN = "ok", "note", "broken"


@attrs.frozen
class Finding:
    """One line of the report; `remedy` says what to do unless all is well."""

    check: str
    status: str
    says: str
    remedy: str = ""


Check = Callable[[PluginManager], Iterable[Finding]]


def examine(manager: PluginManager, checks: Iterable[Check] | None = None) -> list[Finding]:
    """The findings of all checks. One that raises is a finding too: a doctor doesn't faint."""
    found: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        name = check.__name__.removeprefix("check_")
        try:
            found += check(manager)
        except ExphilError as error:
            found.append(Finding(name, BROKEN, str(error)))
        except Exception as error:
            found.append(Finding(name, BROKEN, f"could not be looked at: {type(error).__name__}: {error}"))
    return found


def check_python(manager: PluginManager) -> Iterator[Finding]:
    """Python and the machine."""
    yield Finding("python", OK, f"{platform.python_version()} on {platform.platform()} ({sys.executable})")


def check_torch(manager: PluginManager) -> Iterator[Finding]:
    """torch, and what it makes of the processor."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    says = f"{torch.__version__}, CPU {capability}, {threads} of {cores} threads"
    if threads > cores:
        yield Finding(
            "torch", NOTE, says, f"more threads than cores slow each other down: use --threads {cores}"
        )
    else:
        yield Finding("torch", OK, says)


def check_kernel(manager: PluginManager) -> Iterator[Finding]:
    """The CPU kernel of Mamba and GRU layers: which, or why none, and whether it computes the right thing."""
    from exphil_core.kernels.build import find_compiler, forget_failures
    from exphil_core.kernels.library import attempt
    from exphil_core.kernels.selftest import largest_error
    from exphil_core.kernels.variants import OFF, VARIABLE, chosen_variant

    if chosen_variant() is None:
        yield Finding(
            "kernel",
            NOTE,
            f"off ({VARIABLE}={OFF}); mamba, hybrid and gru train more slowly",
            f"unset {VARIABLE}",
        )
        return
    forget_failures()
    got = attempt()
    if got.kernel is None:
        slow = f"none: {got.why}; mamba and hybrid train several times slower on this CPU, gru somewhat"
        if find_compiler() is None:
            yield Finding("kernel", NOTE, slow, "install g++ or clang++; it is built at the next start")
        else:
            yield Finding("kernel", BROKEN, slow, "install a newer g++, or set CXX to another compiler")
        return
    error = largest_error()
    if error > 1e-4:
        remedy = f"delete {got.kernel.path} and run this again; until then set {VARIABLE}={OFF}"
        yield Finding("kernel", BROKEN, f"{got.kernel.variant} computes wrong results ({error:.1e})", remedy)
    else:
        yield Finding(
            "kernel", OK, f"{got.kernel.variant}, {got.kernel.path} (agrees with torch to {error:.0e})"
        )


def check_cuda(manager: PluginManager) -> Iterator[Finding]:
    """GPUs, and which scan Mamba layers use there."""
    import torch

    from exphil_core.kernels.cuda import has_cuda_kernels

    if not torch.cuda.is_available():
        why = "torch sees no CUDA device" if torch.version.cuda else "this torch is built for the CPU"
        yield Finding("cuda", OK, f"none ({why})")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        yield Finding("cuda", OK, f"{properties.name}, {memory:.0f} GiB (CUDA {torch.version.cuda})")
    if has_cuda_kernels():
        yield Finding("mamba-ssm", OK, "its kernels run mamba and hybrid on the GPU")
    else:
        remedy = "pip install 'exphil-core[cuda]'" if sys.platform == "linux" else ""
        yield Finding(
            "mamba-ssm", NOTE if remedy else OK, "not installed; mamba runs as a chunked scan", remedy
        )


def check_plugins(manager: PluginManager) -> Iterator[Finding]:
    """Plugins that don't work."""
    for problem in manager.problems:
        yield Finding("plugins", BROKEN, str(problem), "exphil plugins check says more")
    if not manager.problems:
        yield Finding("plugins", OK, "all work")


def check_cache(manager: PluginManager) -> Iterator[Finding]:
    """The folder of what is computed once: can it be written?"""
    from exphil_core.replays.cache_folder import VARIABLE, cache_folder

    folder = cache_folder(None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = f"{folder} can't be written: {error.strerror or error}"
        yield Finding("cache", BROKEN, said, f"set {VARIABLE} to a folder of yours")
        return
    yield Finding("cache", OK, str(folder))


CHECKS: tuple[Check, ...] = (check_python, check_torch, check_kernel, check_cuda, check_plugins, check_cache)
