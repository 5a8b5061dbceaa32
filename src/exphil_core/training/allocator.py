"""Memory that a training step frees is there for the next one.

torch's tensors on the CPU come from malloc. glibc gives large ones back to the system as soon as they are freed, so
that every step of a run takes the same pages anew, each with a fault and filled with zeros: a seventh of a step's
time (`lstm`, 3.5 million parameters, batches of 64 x 60), less for smaller networks. It costs about 200 MB.
"""

from __future__ import annotations

import ctypes
import sys

# mallopt's parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Tensors up to the first size are kept, and up to the second one in all that nobody uses.
KEPT_EACH, KEPT_UNUSED = 1 << 28, 1 << 30


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed, for this process. False where there is no glibc, and nothing changes."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    # musl has no mallopt, or one that does nothing and says so.
    return bool(mallopt(_MMAP_THRESHOLD, KEPT_EACH)) and bool(mallopt(_TRIM_THRESHOLD, KEPT_UNUSED))
