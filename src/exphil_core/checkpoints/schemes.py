"""The built-in naming schemes. Each reads back what it wrote, from the right: backbones may hold underscores.

Characters and backbones are written in lower case, letters a-z, digits and hyphens (backbones also
underscores); no character is `any`. Widths are all listed (`h64x64`); no window is `w0`. Times are UTC.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timezone

from exphil_core.checkpoints.naming import NameFields
from exphil_core.checkpoints.paths import is_reserved

ANY = "any"
_CHARACTER = r"(?P<character>[a-z0-9-]+)"
_BACKBONE = r"(?P<backbone>[a-z0-9_-]+)"
_TIME = r"(?P<created_at>\d{8}_\d{6})"
_SHAPE = r"h(?P<hidden_sizes>\d+(?:x\d+)*)_w(?P<window_size>\d+)"
_LOSS = r"loss(?P<val_loss>-?(?:\d+\.\d\d(?:e[+-]\d+)?|inf|nan))"
_VERSION = r"v(?P<version>\d+\.\d+)"
_COPY = r"(?:_(?P<copy>[1-9]\d*))?"
_TIME_FORMAT = "%Y%m%d_%H%M%S"


class _Scheme:
    needs_loss = False
    needs_version = False
    pattern = re.compile("")

    def parse(self, stem: str) -> dict[str, object] | None:
        """Fields in the stem; `copy` is the number that a collision added."""
        match = self.pattern.fullmatch(stem)
        if not match:
            return None
        try:
            return {name: _READ[name](text) for name, text in match.groupdict().items() if text is not None}
        except ValueError:
            return None  # looks right, but says February 30


class Timestamp(_Scheme):
    """`mamba_20260119_123456`"""

    pattern = re.compile(f"{_BACKBONE}_{_TIME}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        return f"{backbone_word(fields)}_{time_word(fields)}"


class Character(_Scheme):
    """`mewtwo_mamba_20260119_123456`"""

    pattern = re.compile(f"{_CHARACTER}_{_BACKBONE}_{_TIME}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        return f"{character_word(fields)}_{backbone_word(fields)}_{time_word(fields)}"


class Hyperparams(_Scheme):
    """`mamba_h256x256_w90_20260119_123456`"""

    pattern = re.compile(f"{_BACKBONE}_{_SHAPE}_{_TIME}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        hidden = "x".join(map(str, fields.hidden_sizes)) or "0"
        return f"{backbone_word(fields)}_h{hidden}_w{fields.window_size or 0}_{time_word(fields)}"


class Performance(_Scheme):
    """`mamba_20260119_123456_loss1.32`"""

    needs_loss = True
    pattern = re.compile(f"{_BACKBONE}_{_TIME}_{_LOSS}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        loss = loss_word(math.nan if fields.val_loss is None else fields.val_loss)
        return f"{backbone_word(fields)}_{time_word(fields)}_loss{loss}"


class Semver(_Scheme):
    """`mewtwo_mamba_v1.0`"""

    needs_version = True
    pattern = re.compile(f"{_CHARACTER}_{_BACKBONE}_{_VERSION}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        major, minor = fields.version or (1, 0)
        return f"{character_word(fields)}_{backbone_word(fields)}_v{major}.{minor}"


class Hybrid(_Scheme):
    """`mewtwo/mamba_20260119_123456`"""

    pattern = re.compile(f"{_CHARACTER}/{_BACKBONE}_{_TIME}{_COPY}")

    def stem(self, fields: NameFields) -> str:
        return f"{character_word(fields)}/{backbone_word(fields)}_{time_word(fields)}"


def safe_word(text: str, keep: str = "") -> str:
    """`text` in lower-case a-z, 0-9, '-' and the characters of `keep`, never empty or a device on Windows."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    word = re.sub(f"[^a-z0-9{re.escape(keep)}]+", "-", plain)[:60].strip(f"-{keep}") or "x"
    return f"x-{word}" if is_reserved(word) else word


def character_word(fields: NameFields) -> str:
    """The character for a name; `any` without one."""
    return ANY if fields.character is None else safe_word(fields.character)


def backbone_word(fields: NameFields) -> str:
    """The backbone for a name."""
    return safe_word(fields.backbone, keep="_")


def time_word(fields: NameFields) -> str:
    """When the run began, to the second, UTC."""
    moment = fields.created_at
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return f"{aware.astimezone(timezone.utc):%Y%m%d_%H%M%S}".rjust(15, "0")


def loss_word(loss: float) -> str:
    """A loss with two decimals; huge ones in exponent form, since names have an end."""
    if abs(loss) < 1e6 or not math.isfinite(loss):
        return f"{loss:.2f}"
    return f"{loss:.2e}"


def _character(text: str) -> str | None:
    return None if text == ANY else text


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=timezone.utc)


def _widths(text: str) -> tuple[int, ...]:
    return () if text == "0" else tuple(map(int, text.split("x")))


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


_READ: dict[str, Callable[[str], object]] = {
    "character": _character,
    "backbone": str,
    "created_at": _moment,
    "hidden_sizes": _widths,
    "window_size": lambda text: int(text) or None,
    "val_loss": float,
    "version": _version,
    "copy": int,
}
