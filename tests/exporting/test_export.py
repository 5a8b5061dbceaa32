"""An export is there whole or not at all, and says who is to blame in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from exphil_core import ExporterSpec, option
from exphil_core.checkpoints.store import save_policy
from exphil_core.errors import ExphilError, UsageError
from exphil_core.exporting.export import Exported, export_model
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.exporting.vendor import requirements, vendor
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import Provenance, load_plugins

PolicyMaker = Callable[..., Policy]


@attrs.frozen(kw_only=True)
class Options:
    text: str = option(help="What to write.")
    times: int = option(1, help="How often.")


class Writes:
    def __init__(self, options: Options) -> None:
        self.options = options

    def export(self, model: ExportedModel, folder: Path) -> Any:
        (folder / "below").mkdir()
        (folder / "below" / "text.txt").write_text(self.options.text * self.options.times)
        if self.options.text == "user":
            raise ExphilError("the disk is green")
        if self.options.text == "bug":
            raise KeyError("oh\nno")
        return [model.name, folder.name]


def spec_of(**more: Any) -> ExporterSpec:
    return ExporterSpec(name="tried", factory=f"{__name__}:Writes", options=Options, **more)


@pytest.fixture
def exported(made_policy: PolicyMaker, tmp_path: Path) -> Callable[..., Exported]:
    def export(spec: ExporterSpec, out: Path = tmp_path / "a" / "out", **options: str) -> Exported:
        manager = load_plugins()
        manager._enter("exphil_exporters", spec, Provenance("exphil-tried", "1", "tried"))
        policy = made_policy("mlp", hidden=(8,))
        path = tmp_path / "fox" / "mlp_1_policy.safetensors"
        path.parent.mkdir(exist_ok=True)
        save_policy(path, policy, policy.description)
        return export_model(path, "tried", out, options, manager)

    return export


def test_it_is_told_its_options_and_its_notes_are_told(
    exported: Callable[..., Exported], tmp_path: Path
) -> None:
    done = exported(spec_of(archive=True), text="x", times="3")
    assert (done.folder / "below" / "text.txt").read_text() == "xxx"
    assert (done.files, done.notes[0]) == (("below/text.txt",), "mlp_1")
    assert done.archive == tmp_path / "a" / "out.zip"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["out", "out.zip"]


def test_an_empty_folder_will_do(exported: Callable[..., Exported], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert exported(spec_of(), tmp_path / "empty", text="x").files == ("below/text.txt",)


@pytest.mark.parametrize("out", [".", ""])
def test_the_folder_one_is_in_is_refused(
    exported: Callable[..., Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ExphilError, match="that is the folder you are in; give a name"):
        exported(spec_of(archive=True), Path(out), text="x")
    with pytest.raises(ExphilError, match="--out /: there is something already"):
        exported(spec_of(archive=True), Path("/"), text="x")


@pytest.mark.parametrize("there", [True, False], ids=["empty", "dangling"])
def test_a_link_is_followed(exported: Callable[..., Exported], tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "real" / "bot", tmp_path / "link"
    (target if there else target.parent).mkdir(parents=True)
    link.symlink_to(target)
    done = exported(spec_of(archive=True), link, text="x")
    assert (done.folder, done.archive) == (target, target.with_name("bot.zip"))
    assert (link / "below" / "text.txt").read_text() == "x"


def test_the_zip_goes_with_a_folder_that_can_t_be_written(
    exported: Callable[..., Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_zips(source: Path, target: Path) -> None:
        if target.suffix != ".zip":
            raise OSError("no room")
        source.replace(target)

    monkeypatch.setattr("exphil_core.exporting.export.replace", only_zips)
    with pytest.raises(OSError, match="no room"):
        exported(spec_of(archive=True), text="x")
    assert list((tmp_path / "a").iterdir()) == []


def test_operators_that_onnx_does_not_know_are_refused_before_anything_is_made() -> None:
    pytest.importorskip("onnx")
    from exphil_core.exporting.onnx import _check_opset

    _check_opset(18)
    with pytest.raises(UsageError, match=r"--option opset: 99 is newer than onnx .* knows, which is "):
        _check_opset(99)


def test_a_hostile_name_is_no_code_in_the_onnx_example() -> None:
    pytest.importorskip("onnx")
    from exphil_core.exporting.onnx import play_program

    program = play_program('x"""\nimport os  # \\')
    assert "import os  #" not in program
    compile(program, "play.py", "exec")


@pytest.mark.parametrize(
    ("spec", "options", "sentence"),
    [
        (spec_of(), {"text": "bug"}, r"plugin exphil-tried: exporter tried failed \(KeyError: .*no.*\)"),
        (spec_of(), {"text": "user"}, "the disk is green"),
        (spec_of(), {}, "--option text=… must be given"),
        (spec_of(), {"text": "x", "times": "many"}, "--option times"),
        (
            spec_of(needs=("no_such_module",), install="exphil-core[tried]"),
            {"text": "x"},
            '--to: "tried" needs no_such_module, not installed here: pip install "exphil-core.tried."',
        ),
        (ExporterSpec(name="tried", factory="nowhere:Thing"), {}, "nowhere:Thing can't be imported"),
        (
            ExporterSpec(name="tried", factory="nowhere:Thing"),
            {"text": "x"},
            "tried has no settings of its own",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_nothing(
    exported: Callable[..., Exported], tmp_path: Path, spec: ExporterSpec, options: Any, sentence: str
) -> None:
    with pytest.raises(ExphilError, match=sentence) as caught:
        exported(spec, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a").exists() or not list((tmp_path / "a").iterdir())


def test_several_wrong_options_are_told_at_once(exported: Callable[..., Exported]) -> None:
    with pytest.raises(UsageError) as caught:
        exported(spec_of(), times="many", colour="red")
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_shipped_works_alone(tmp_path: Path) -> None:
    vendor("exphil-char-mewtwo", tmp_path)
    assert (tmp_path / "exphil_char_mewtwo" / "plugin.py").is_file()
    assert not list(tmp_path.rglob("__pycache__"))
    (info,) = tmp_path.glob("*.dist-info")
    assert "exphil_char_mewtwo.plugin" in (info / "entry_points.txt").read_text()
    with pytest.raises(ExphilError, match="exphil-nowhere is not installed here, so it can't be shipped"):
        vendor("exphil-nowhere", tmp_path)
    names = [line.partition("==")[0] for line in requirements(["exphil-core", "exphil-char-mewtwo"])]
    assert names == ["attrs", "cattrs", "numpy", "pluggy", "safetensors", "torch"]
