"""Models from elsewhere: copied, registered, shown like any other; the source is only read."""

from __future__ import annotations

import json
import shutil
import struct

import pytest

from exphil_core.checkpoints.config_file import read_document
from exphil_core.checkpoints.importing import import_models
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import RegistryError
from exphil_core.checkpoints.verify import verify
from exphil_core.errors import UnknownName


@pytest.fixture
def source(tmp_path, fakes):
    path = tmp_path / "source"
    path.mkdir()
    fakes.model(path, "fox/a", tags=("t",), val_loss=1.5)
    fakes.model(path, "fox/b", parent_model="fox_a", created_at="2026-01-20T00:00:00Z")
    fakes.model(path, "archive/c", parent_model="elsewhere")
    return path


def test_another_folder_arrives_whole_and_is_left_as_it_was(folder, fakes, source):
    before = fakes.tree(source)
    registry = Registry(folder)
    result = import_models(registry, source)
    assert result.skipped == ()
    assert [entry.id for entry in registry.models()] == ["c", "fox_a", "fox_b"]
    assert registry.get("c").archived is False
    assert registry.get("fox_a").tags == ("t",)
    assert registry.get("fox_b").parent_model == "fox_a"
    assert read_document(folder, "fox/a_config.json")["config"] == fakes.sections["config"]
    assert read_document(folder, "fox/a_config.json")["provenance"] == {"imported_as": "fox_a"}
    assert not (folder / "fox" / "a.state").exists()
    assert verify(registry) == []
    assert fakes.tree(source) == before


def test_a_second_import_skips_what_is_here(folder, source):
    import_models(Registry(folder), source)
    text = (folder / "registry.json").read_bytes()
    result = import_models(Registry(folder), source)
    assert result.imported == ()
    assert sorted(result.skipped) == [f"{id}: registered already as {id}" for id in ("c", "fox_a", "fox_b")]
    assert (folder / "registry.json").read_bytes() == text


def test_a_taken_name_gets_a_number_and_children_follow(folder, fakes, source):
    fakes.model(folder, "fox/a", sha256={"weights": "0" * 64})
    result = import_models(Registry(folder), source)
    assert {entry.id for entry in result.imported} == {"c", "fox_a_2", "fox_b"}
    assert Registry(folder).get("fox_b").parent_model == "fox_a_2"


def test_training_type_and_parent(folder, fakes, source):
    fakes.model(folder, "base", epochs=50)
    registry = Registry(folder)
    import_models(registry, source, training_type="self_play", parent="bas")
    assert {entry.training_type for entry in registry.models()} == {"imitation", "self_play"}
    first, second = registry.get("fox_a"), registry.get("fox_b")
    assert (first.parent_model, first.inherited_epochs, first.total_epochs) == ("base", 50, 53)
    assert second.parent_model == "fox_a"
    with pytest.raises(UnknownName):
        import_models(registry, source, parent="nobody")


def safetensors(path, metadata=None):
    header = json.dumps({"__metadata__": metadata} if metadata else {}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def test_a_single_file_without_any_record(folder, tmp_path):
    file = safetensors(tmp_path / "ppo_fox.safetensors")
    told = {
        "format": 1,
        "shape": {"backbone": "gru", "hidden_sizes": [32, 16]},
        "delay": 18,
        "character": "fox",
        "observation": {"id": "1-abc"},
    }
    safetensors(tmp_path / "ppo_fox_policy.safetensors", {"exphil": json.dumps(told)})
    result = import_models(Registry(folder), file, training_type="ppo", temporal_backbones={"gru"})
    (entry,) = result.imported
    assert (entry.id, entry.training_type, entry.backbone) == ("ppo_fox", "ppo", "gru")
    assert (entry.hidden_sizes, entry.delay, entry.character) == ((32, 16), 18, "fox")
    assert (entry.temporal, entry.schema) == (True, "1-abc")
    assert set(entry.sha256) == {"weights", "policy"}
    assert verify(Registry(folder)) == []


def test_weights_alone(folder, tmp_path):
    (entry,) = import_models(Registry(folder), safetensors(tmp_path / "old.safetensors")).imported
    assert (entry.policy_path, entry.backbone) == (None, "unknown")
    assert verify(Registry(folder)) == []


@pytest.mark.parametrize("which", ["fox/a.safetensors", "fox/a_policy.safetensors", "fox/a_config.json"])
def test_a_single_file_with_its_config_file(folder, source, which):
    (entry,) = import_models(Registry(folder), source / which).imported
    assert (entry.id, entry.val_loss, entry.tags) == ("a", 1.5, ("t",))
    assert verify(Registry(folder)) == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("nothing", None, "no such file"),
        ("x.pt", b"", "is no model's file"),
        ("x_metrics.jsonl", b"", "holds no model"),
        ("x.safetensors", b"", "damaged or no safetensors file"),
        ("x.safetensors", b"\xff" * 40, "damaged or no safetensors file"),
        ("x.safetensors", struct.pack("<Q", 4) + b"[1]]", "damaged or no safetensors file"),
        ("x_policy.safetensors", struct.pack("<Q", 2) + b"{}", "x.safetensors is missing"),
        ("con.safetensors", struct.pack("<Q", 2) + b"{}", "a device on Windows"),
    ],
)
def test_what_is_no_model_is_refused_by_name(folder, tmp_path, fakes, name, content, expected):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RegistryError, match=expected):
        import_models(Registry(folder), tmp_path / name)
    assert fakes.tree(folder) == {}


def test_a_folder_without_models_and_the_own_folder_are_refused(folder, fakes, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistryError, match="no model with a config file"):
        import_models(Registry(folder), tmp_path / "empty")
    fakes.model(folder, "fox/a")
    for inside in (folder, folder / "fox"):
        with pytest.raises(RegistryError, match="own folder"):
            import_models(Registry(folder), inside)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"0", "fox/b.safetensors is damaged or was changed: its SHA-256 is not the recorded one"),
        (None, "fox/b.safetensors is missing"),
    ],
)
def test_a_damaged_model_is_left_out_without_a_trace_and_the_others_come(
    folder, fakes, source, content, reason
):
    fakes.model(source, "fox/c", parent_model="fox_b", created_at="2026-01-21T00:00:00Z")
    weights = source / "fox" / "b.safetensors"
    weights.unlink() if content is None else weights.write_bytes(content)
    result = import_models(Registry(folder), source)
    assert result.left_out == (f"left out: fox_b: {reason}",)
    assert result.skipped == ()
    registry = Registry(folder)
    assert {entry.id for entry in registry.models()} == {"c", "fox_a", "fox_c"}
    assert registry.get("fox_c").parent_model == "fox_b"
    assert not [name for name in fakes.model_files(folder) if "b" in name.split("/")[-1][:1]]
    assert verify(registry) == []


def test_links_in_the_source_are_not_followed(folder, fakes, source, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "fox" / "a.safetensors").unlink()
    (source / "fox" / "a.safetensors").symlink_to(tmp_path / "secret")
    (line,) = import_models(Registry(folder), source).left_out
    assert "symbolic link" in line
    assert b"secret" not in fakes.tree(folder).values()


def test_a_config_file_that_cannot_be_read_is_named_and_the_others_come(folder, source):
    (source / "torn_config.json").write_text("{")
    result = import_models(Registry(folder), source)
    assert len(result.imported) == 3
    assert "torn_config.json" in result.left_out[0]


def test_an_import_of_an_import_is_the_same_model(folder, fakes, source, tmp_path):
    import_models(Registry(folder), source)
    shutil.copytree(folder, tmp_path / "copy")
    assert import_models(Registry(folder), tmp_path / "copy").imported == ()
