"""Checking what the registry says, and setting two models side by side."""

from __future__ import annotations

import json

import pytest

from exphil_core.checkpoints.compare import compare, why_not_comparable
from exphil_core.checkpoints.config_file import config_document, read_document
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import registry_text
from exphil_core.checkpoints.running import running
from exphil_core.checkpoints.verify import verify


def test_models_as_recorded_give_no_findings(folder, fakes):
    fakes.model(folder, "fox/a", tags=("t",))
    fakes.model(folder, "archive/b")
    assert verify(Registry(folder)) == []


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda folder: (folder / "a.safetensors").unlink(), "a.safetensors is missing"),
        (lambda folder: (folder / "a_policy.safetensors").unlink(), "a_policy.safetensors is missing"),
        (lambda folder: (folder / "a.safetensors").write_bytes(b"0"), "damaged or was changed"),
        (lambda folder: (folder / "a_config.json").unlink(), "a rebuild forgets this model"),
        (lambda folder: (folder / "a_config.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "a_config.json").write_text('{"schema": 9}'), "newer ExPhil"),
        (lambda folder: (folder / "a_config.json").write_text('{"schema": 1}'), "a model is not an object"),
    ],
)
def test_each_harm_is_found(folder, fakes, harm, expected):
    fakes.model(folder, "a")
    harm(folder)
    (finding,) = verify(Registry(folder))
    assert finding.id == "a"
    assert expected in finding.problem


def test_a_config_file_of_another_mind_and_one_unregistered_are_found(folder, fakes):
    entry = fakes.model(folder, "a")
    fakes.model(folder, "b")
    path = folder / "a_config.json"
    document = json.loads(path.read_text())
    document["model"]["tags"] = ["t"]
    path.write_text(json.dumps(document))
    (folder / "registry.json").write_bytes(registry_text([entry]))
    problems = {finding.id: finding.problem for finding in verify(Registry(folder))}
    assert "says otherwise" in problems["a"]
    assert "b_config.json is not registered" in problems[None]


def test_links_are_found(folder, fakes, tmp_path):
    fakes.model(folder, "a")
    (folder / "a.safetensors").rename(tmp_path / "real")
    (folder / "a.safetensors").symlink_to(tmp_path / "real")
    (finding,) = verify(Registry(folder))
    assert "symbolic link" in finding.problem


def test_settings_results_and_data_side_by_side(folder, fakes):
    fakes.model(folder, "a")
    fakes.model(folder, "b", epochs=9)
    first, second = (read_document(folder, f"{stem}_config.json") for stem in "ab")
    second["config"]["lr"] = 0.01
    second["config"]["extra"] = {"d_state": 8}
    second["data"]["replays"] = 24
    rows = {(row.section, row.name): (row.first, row.second) for row in compare(first, second) if row.differs}
    assert rows[("config", "lr")] == (0.001, 0.01)
    assert rows[("config", "extra.d_state")] == (None, 8)
    assert rows[("data", "replays")] == (12, 24)
    assert rows[("model", "epochs")] == (3, 9)
    assert ("results", "validation_frames") not in rows
    assert not [name for _, name in rows if "history" in name]


def test_models_scored_on_other_frames_are_said_not_to_compare(fakes):
    one = config_document(fakes.entry("a", val_loss=1.0))
    other = config_document(fakes.entry("b", val_loss=2.0, delay=18))
    assert why_not_comparable(one, one) is None
    assert "delay" in (why_not_comparable(one, other) or "")


def test_what_a_run_left_that_was_cut_off_while_saving_is_named(folder, fakes):
    fakes.model(folder, "whole")
    (folder / "deep").mkdir()
    (folder / "deep" / "half.safetensors").write_bytes(b"weights")
    (finding,) = verify(Registry(folder))
    assert finding.id is None
    assert "deep/half.safetensors" in finding.problem
    assert "safe to delete" in finding.problem
    with running(folder, "deep/half"):
        assert verify(Registry(folder)) == []
