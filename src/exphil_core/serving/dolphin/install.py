"""Finding Dolphin and libmelee, and saying what is wrong with them before anything starts."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

import attrs

from exphil_core.errors import ExphilError

EXTRA = 'pip install "exphil-core[dolphin]"'
# Where libmelee (0.47) looks below an installation's folder.
_PLACES = (
    "Slippi_Netplay_Mainline-x86_64.AppImage",
    "Slippi_Online-x86_64.AppImage",
    "Slippi_Dolphin.exe",
    "Slippi Dolphin.exe",
    "Slippi_Dolphin.app/Contents/MacOS/Slippi_Dolphin",
    "Slippi Dolphin.app/Contents/MacOS/Slippi Dolphin",
    "Contents/MacOS/Slippi_Dolphin",
    "Contents/MacOS/Slippi Dolphin",
)
_VERSION_SECONDS = 20.0
_CODES = "GALE01r2.ini"
_MENU_CODE = "$Optional: Extract Menu Info"


@attrs.frozen
class Dolphin:
    """An executable and what it says of itself."""

    executable: Path
    version: str


def require_libmelee() -> None:
    """Raise ExphilError unless libmelee is there."""
    if importlib.util.find_spec("melee") is None or importlib.util.find_spec("enet") is None:
        raise ExphilError(f"--dolphin needs libmelee: {EXTRA}")


def find_dolphin(path: Path) -> Dolphin:
    """The Slippi Dolphin at `path`, its executable or a folder that has it. Raises ExphilError."""
    executable = _executable(path.expanduser())
    if not os.access(executable, os.X_OK):
        raise ExphilError(f"--dolphin {executable}: not executable; chmod +x makes it so")
    said, status = _version_of(executable)
    # libmelee (0.47) goes by the same signs: mainline says its version and ends well, Ishiiruka doesn't.
    if status == 0 and platform.system() == "Linux" and "mainline" not in said:
        what = f" (it calls itself {said.splitlines()[0][:60]!r})" if said else ""
        raise ExphilError(
            f"--dolphin {executable}: not Slippi's Dolphin{what}; install it with the Slippi Launcher"
        )
    if platform.system() == "Linux" and status not in (0, 1, 255):
        raise ExphilError(
            f"--dolphin {executable}: `--version` ends with status {status}; is it Slippi's Dolphin?"
        )
    return Dolphin(executable, said.splitlines()[0].strip() if said else "unknown")


def _executable(path: Path) -> Path:
    if not path.exists():
        raise ExphilError(
            f"--dolphin {path}: no such file or folder; give Slippi Dolphin's executable or its folder"
        )
    if path.is_file():
        return path.resolve()
    for place in _PLACES:
        for folder in (path, path / "netplay-beta", path / "netplay"):
            if (folder / place).is_file():
                return (folder / place).resolve()
    raise ExphilError(f"--dolphin {path}: no Slippi Dolphin in this folder; give its executable")


def _version_of(executable: Path) -> tuple[str, int]:
    try:
        done = subprocess.run(
            [executable, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise ExphilError(
            f"--dolphin {executable}: `--version` gives no answer within {_VERSION_SECONDS:.0f} s"
        ) from None
    except OSError as error:
        raise ExphilError(f"--dolphin {executable}: can't be run: {error.strerror or error}") from None
    return (done.stdout.strip() or done.stderr.strip()), done.returncode


def codes_version() -> str:
    """Which gecko codes libmelee puts into the game. Raises ExphilError if the one that tells of menus is missing."""
    require_libmelee()
    import melee
    from melee.version import __version__

    file = Path(melee.__file__).parent / _CODES
    if not file.is_file() or _MENU_CODE not in file.read_text():
        raise ExphilError(
            f"libmelee {__version__} lacks {_CODES} or its menu code: install it anew ({EXTRA})"
        )
    names = re.findall(r"^\$([^\[\n]+)", file.read_text().split("[Gecko]")[-1], re.MULTILINE)
    return f"libmelee {__version__}'s {_CODES}: {len(names)} codes, among them {_MENU_CODE[1:]}"


def pipes_folder() -> Path:
    """Where libmelee will make the folder of pipes. Raises ExphilError if there can be none."""
    folder = Path(tempfile.gettempdir())
    if platform.system() == "Windows":
        if importlib.util.find_spec("win32file") is None:
            raise ExphilError("named pipes need pywin32 on Windows: pip install pywin32")
        return folder
    try:
        with tempfile.TemporaryDirectory(prefix="exphil_") as made:
            os.mkfifo(Path(made) / "pipe")
    except OSError as error:
        raise ExphilError(
            f"{folder}: no named pipes can be made there ({error.strerror or error}); set TMPDIR to a folder that "
            "takes them"
        ) from None
    return folder


def find_user_json(given: Path | None) -> Path:
    """The file that says who plays online, which the Slippi Launcher writes. Raises ExphilError."""
    home = Path.home()
    usual = [
        home / ".config/slippi-dolphin/netplay-beta/Slippi/user.json",
        home / ".config/SlippiOnline/Slippi/user.json",
        home / "AppData/Roaming/Slippi Launcher/netplay-beta/User/Slippi/user.json",
        home / "AppData/Roaming/Slippi Launcher/netplay/User/Slippi/user.json",
        home / "Library/Application Support/com.project-slippi.dolphin/netplay-beta/User/Slippi/user.json",
        home / "Library/Application Support/com.project-slippi.dolphin/netplay/User/Slippi/user.json",
    ]
    for path in usual if given is None else [given.expanduser()]:
        if path.is_file():
            return path.resolve()
    if given is not None:
        raise ExphilError(f"--user-json {given}: no such file")
    raise ExphilError(
        "--connect-code needs an account: log in with the Slippi Launcher, or give --user-json FILE"
    )
