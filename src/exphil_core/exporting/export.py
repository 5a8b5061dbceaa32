"""Exports a model: the whole folder (and its zip) appears at once, or nothing does."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.atomic import replace, sync_folder
from exphil_core.checkpoints.files import POLICY, stem_of
from exphil_core.checkpoints.store import load_policy
from exphil_core.config.extras import not_installed
from exphil_core.errors import ExphilError, UsageError
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.options import check_values
from exphil_core.plugin_manager import PluginManager, Registered
from exphil_core.specs import ExporterSpec

HOOK = "exphil_exporters"
# Files of a zip carry a date; a fixed one makes the same model the same bytes.
_DATE = (2026, 1, 1, 0, 0, 0)


@attrs.frozen(kw_only=True)
class Exported:
    """What an export left behind, and what the exporter has to say about it."""

    folder: Path
    archive: Path | None
    files: tuple[str, ...]
    notes: tuple[str, ...]


def export_model(
    path: Path, exporter: str, out: Path, options: Mapping[str, Any], manager: PluginManager
) -> Exported:
    """Export the policy in the file at `path` to the folder `out`. `options` are texts, as `--option` gives them.

    Raises ExphilError: an exporter, option or plugin that isn't there, a folder that has something in it.
    """
    entry = manager.get(HOOK, exporter)
    spec: ExporterSpec = entry.spec
    absent = not_installed(spec)
    if absent:
        raise ExphilError(f"--to: {absent}")
    chosen = exporter_options(spec, options)
    out = _place(out)
    archive = out.with_name(f"{out.name}.zip") if spec.archive else None
    if archive is not None and archive.exists():
        raise ExphilError(
            f"--out {out}: {archive.name} beside it is there already; give another, or delete it"
        )
    policy, description = load_policy(path, manager)
    name = (stem_of(path.name) or path.name.removesuffix(POLICY)).replace("/", "_")
    model = ExportedModel(name=name, path=path, policy=policy, description=description, manager=manager)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{out.name}-", dir=out.parent, ignore_cleanup_errors=True
    ) as at:
        staged = Path(at) / "folder"
        staged.mkdir()
        notes = _written(entry, chosen, model, staged)
        files = sorted(file.relative_to(staged).as_posix() for file in staged.rglob("*") if file.is_file())
        if not files:
            raise ExphilError(f"plugin {entry.origin.distribution}: exporter {spec.name} wrote nothing")
        if archive is not None:
            packed = Path(at) / "archive"
            pack(staged, packed)
            replace(packed, archive)
        try:
            if out.is_dir():
                out.rmdir()
            replace(staged, out)
        except BaseException:
            if archive is not None:
                archive.unlink(missing_ok=True)
            raise
    sync_folder(out.parent)
    return Exported(folder=out, archive=archive, files=tuple(files), notes=tuple(notes))


def exporter_options(spec: ExporterSpec, given: Mapping[str, Any]) -> Any:
    """An instance of the exporter's options, None if it has none. Raises UsageError naming what is wrong."""
    if spec.options is None:
        if given:
            raise UsageError(f"--option: {spec.name} has no settings of its own")
        return None
    good, wrong = check_values(spec.options, given, "--option ", texts=True)
    unset = [
        f"--option {field.name}=… must be given"
        for field in attrs.fields(spec.options)
        if field.default is attrs.NOTHING and field.name not in given
    ]
    problems = [*map(str, wrong), *unset]
    if problems:
        raise UsageError("\n".join(problems))
    return spec.options(**good)


def pack(folder: Path, archive: Path) -> None:
    """Zip what is in `folder`; the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DATE)
                member.external_attr = (file.stat().st_mode & 0o777) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(member, file.read_bytes())


def _place(out: Path) -> Path:
    """`out`, or what it is a link to. Raises ExphilError where no new folder can be."""
    place = out.resolve()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ExphilError(f"--out {out}: there is something already; give another folder, or delete it")
    if place == Path.cwd():
        raise ExphilError(f"--out {out}: that is the folder you are in; give a name, as in --out bot")
    return place if out.is_symlink() else out


def _written(entry: Registered, options: Any, model: ExportedModel, folder: Path) -> list[str]:
    spec, origin = entry.spec, entry.origin
    factory = model.manager.load(spec.factory, origin)
    try:
        exporter = factory() if spec.options is None else factory(options)
        return [str(line) for line in exporter.export(model, folder) or ()]
    except (ExphilError, OSError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ExphilError(f"plugin {origin.distribution}: exporter {spec.name} failed ({said})") from error
    finally:
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
