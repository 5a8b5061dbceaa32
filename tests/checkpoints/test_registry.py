"""The registry: derived from config files, never half written, never started empty, hostile files refused."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.checkpoints import registry as registry_module
from exphil_core.checkpoints.config_file import ConfigFileError, read_document, write_config
from exphil_core.checkpoints.entry import (
    FIELDS,
    ModelEntry,
    entry_from_json,
    entry_to_json,
    games_digest,
    places,
    tag_problem,
    utc_text,
)
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import RegistryError, registry_text, split
from exphil_core.errors import UnknownName, UsageError

EXPECTED_KEYS = [
    "id", "path", "policy_path", "config_path", "created_at", "character", "backbone", "temporal",
    "hidden_sizes", "window_size", "epochs", "training_frames", "val_loss", "parent_model", "tags",
    "training_type", "inherited_epochs", "total_epochs", "sha256", "plugins", "archived", "schema", "delay",
    "validation_games",
]  # fmt: skip


def quiet(folder):
    """A registry and the list that its notices go to."""
    notices: list[str] = []
    return Registry(folder, notify=notices.append), notices


def test_the_file_is_as_documented(folder, fakes):
    entry = fakes.model(folder, "mewtwo/mamba_1", character="mewtwo", val_loss=1.25, tags=("b", "a"))
    document = json.loads((folder / "registry.json").read_bytes())
    assert list(document) == ["schema", "models", "leaderboard"]
    assert document["schema"] == 1
    assert [list(model) for model in document["models"]] == [EXPECTED_KEYS]
    model = document["models"][0]
    assert model["id"] == "mewtwo_mamba_1"
    assert model["path"] == "mewtwo/mamba_1.safetensors"
    assert model["policy_path"] == "mewtwo/mamba_1_policy.safetensors"
    assert model["config_path"] == "mewtwo/mamba_1_config.json"
    assert model["tags"] == ["a", "b"]
    assert model["total_epochs"] == 3
    assert document["leaderboard"] == {
        "best_overall": entry.id,
        "best_by_backbone": {"mamba": entry.id},
        "best_by_character": {"mewtwo": entry.id},
    }
    assert list(FIELDS) == EXPECTED_KEYS


def test_the_config_file_holds_the_same_entry(folder, fakes):
    entry = fakes.model(folder, "x")
    document = read_document(folder, entry.config_path)
    assert document["model"] == entry_to_json(entry)
    assert set(document) >= {"schema", "config", "origins", "results", "data", "observation", "provenance"}


def test_models_come_by_creation_then_id(folder, fakes):
    for stem, day in (("b", 2), ("a", 2), ("c", 1)):
        fakes.model(folder, stem, created_at=f"2026-01-0{day}T00:00:00Z")
    assert [entry.id for entry in Registry(folder).models()] == ["c", "a", "b"]


def test_reading_touches_nothing(tmp_path):
    assert Registry(tmp_path / "none").models() == []
    assert list(tmp_path.iterdir()) == []


def test_an_entry_is_refused_without_its_config_file_or_against_it(folder, fakes):
    registry, _ = quiet(folder)
    registry.create()
    entry = fakes.entry("x")
    with pytest.raises(FileNotFoundError):
        registry.add(entry)
    write_config(folder, attrs.evolve(entry, epochs=4))
    with pytest.raises(RegistryError, match="says otherwise"):
        registry.add(entry)


def test_adding_twice_does_no_harm_and_another_of_that_id_is_refused(folder, fakes):
    entry = fakes.model(folder, "x")
    registry = Registry(folder)
    registry.add(entry)
    registry.tag("x", ["kept"])
    longer = attrs.evolve(entry, epochs=9, total_epochs=9)
    write_config(folder, longer)
    with pytest.raises(RegistryError, match="registered already"):
        registry.add(longer)
    registry.add(longer, replace=True)
    assert registry.get("x") == attrs.evolve(longer, tags=("kept",))
    assert read_document(folder, "x_config.json")["model"]["tags"] == ["kept"]


def test_tags_are_added_sorted_once_and_taken_away(folder, fakes):
    fakes.model(folder, "x", tags=("old",))
    registry = Registry(folder)
    assert registry.tag("x", ["b", "a", "b"]).tags == ("a", "b", "old")
    assert registry.untag("x", ["b", "old"]).tags == ("a",)
    assert registry.models()[0].tags == ("a",)
    with pytest.raises(UnknownName, match='unknown tag "aa"'):
        registry.untag("x", ["aa"])
    for bad in ("", "two words", "a,b", "x" * 65, "a\n", "a\x1bb", "a\u202eb", "a\udce9"):
        with pytest.raises(UsageError, match=r'^tag ".{0,80}" must be 1 to 64'):
            registry.tag("x", [bad])


@pytest.mark.parametrize("odd", [{"tags": ["\udce9"]}, {"plugins": {"\udce9": "\ud800"}}])
def test_a_config_file_with_what_is_no_utf_8_harms_nothing(folder, fakes, odd):
    fakes.model(folder, "x", val_loss=1.0)
    fakes.model(folder, "y", val_loss=2.0)
    path = folder / "x_config.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "model": {**document["model"], **odd}}))
    models, problems = Registry(folder).rebuild()
    assert ([entry.id for entry in models], problems) == (["x", "y"], [])
    for name in "xy":
        Registry(folder).tag(name, ["t"])
        assert "t" in Registry(folder).get(name).tags
    assert Registry(folder).rebuild()[1] == []


def test_tagging_keeps_what_others_put_into_the_config_file(folder, fakes):
    fakes.model(folder, "x")
    path = folder / "x_config.json"
    document = json.loads(path.read_text())
    document["notes"] = {"by": "a person"}
    document["results"]["new_figure"] = 1
    path.write_text(json.dumps(document))
    Registry(folder).tag("x", ["t"])
    after = json.loads(path.read_text())
    assert after.pop("model")["tags"] == ["t"]
    document.pop("model")
    assert after == document


def test_a_change_that_reached_only_the_config_file_is_not_lost(folder, fakes, monkeypatch):
    fakes.model(folder, "x")
    registry, _ = quiet(folder)
    with monkeypatch.context() as patch:
        patch.setattr(registry_module, "write_bytes", lambda *a, **k: (_ for _ in ()).throw(fakes.Killed()))
        with pytest.raises(fakes.Killed):
            registry.tag("x", ["first"])
    assert Registry(folder).tag("x", ["second"]).tags == ("first", "second")


def test_a_prefix_is_enough_and_an_ambiguous_one_lists_the_candidates(folder, fakes):
    for stem in ("mamba_1", "mamba_12", "gru_1"):
        fakes.model(folder, stem)
    registry = Registry(folder)
    assert registry.get("g").id == "gru_1"
    assert registry.get("mamba_1").id == "mamba_1"
    with pytest.raises(UnknownName, match="ambiguous: mamba_1, mamba_12"):
        registry.get("mam")
    with pytest.raises(UnknownName, match='did you mean "mamba_12"'):
        registry.get("mmaba_12")
    with pytest.raises(UnknownName, match="unknown model"):
        registry.get("")


def test_the_folder_can_be_moved_and_read_from_elsewhere(folder, fakes, tmp_path, monkeypatch):
    entry = fakes.model(folder, "fox/x")
    moved = tmp_path / "elsewhere" / "models"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    monkeypatch.chdir(tmp_path)
    registry = Registry(Path("elsewhere/models"))
    assert registry.models() == [entry]
    assert (registry.folder / registry.get("fox").path).is_file()


def test_a_newer_schema_is_refused_and_left_alone(folder, fakes):
    fakes.model(folder, "x")
    text = (folder / "registry.json").read_text().replace('"schema": 1', '"schema": 2', 1)
    (folder / "registry.json").write_text(text)
    for action in (lambda r: r.models(), lambda r: r.get("x"), lambda r: r.tag("x", ["t"])):
        with pytest.raises(RegistryError, match=r"newer ExPhil \(schema 2, this one knows 1\); update"):
            action(Registry(folder))
    assert (folder / "registry.json").read_text() == text


def test_a_newer_config_file_is_refused(folder, fakes):
    fakes.model(folder, "x")
    path = folder / "x_config.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2', 1))
    with pytest.raises(ConfigFileError, match="newer ExPhil"):
        Registry(folder).tag("x", ["t"])


def broken(entry: dict, **changes: object) -> bytes:
    return json.dumps({"schema": 1, "models": [{**entry, **changes}]}).encode()


CORRUPT = {
    "empty": lambda entry: b"",
    "half": lambda entry: b'{"schema": 1, "models": [{"id": "x", "pa',
    "zeros": lambda entry: bytes(500),
    "not utf-8": lambda entry: b'{"schema": 1, "models": ["\xff"]}',
    "a list": lambda entry: b"[]",
    "a number": lambda entry: b"7",
    "too deep": lambda entry: b"[" * 100_000,
    "no models": lambda entry: b'{"schema": 1}',
    "models no list": lambda entry: b'{"schema": 1, "models": {}}',
    "schema a text": lambda entry: b'{"schema": "1", "models": []}',
    "schema true": lambda entry: b'{"schema": true, "models": 3}',
    "id twice": lambda entry: json.dumps({"schema": 1, "models": [entry, entry]}).encode(),
    "a key too many": lambda entry: broken(entry, extra=1),
    "a key missing": lambda entry: broken({k: v for k, v in entry.items() if k != "tags"}),
    "absolute path": lambda entry: broken(entry, path="/etc/passwd.safetensors"),
    "path upwards": lambda entry: broken(entry, path="../x.safetensors"),
    "path of a drive": lambda entry: broken(entry, path="C:\\x.safetensors"),
    "another model's files": lambda entry: broken(entry, policy_path="other_policy.safetensors"),
    "config elsewhere": lambda entry: broken(entry, config_path="../x_config.json"),
    "id of another": lambda entry: broken(entry, id="y"),
    "archived yet not there": lambda entry: broken(entry, archived=True),
    "epochs a bool": lambda entry: broken(entry, epochs=True),
    "epochs a float": lambda entry: broken(entry, epochs=1.0),
    "epochs negative": lambda entry: broken(entry, epochs=-1),
    "temporal a number": lambda entry: broken(entry, temporal=1),
    "loss a text": lambda entry: broken(entry, val_loss="1"),
    "loss not a number": lambda entry: broken(entry, val_loss=float("nan")),
    "unknown training": lambda entry: broken(entry, training_type="magic"),
    "a tag with a space": lambda entry: broken(entry, tags=["a b"]),
    "tags a text": lambda entry: broken(entry, tags="ab"),
    "time without zone": lambda entry: broken(entry, created_at="2026-01-19T12:34:56"),
    "a day that never was": lambda entry: broken(entry, created_at="2026-02-30T12:34:56Z"),
    "an hour that never was": lambda entry: broken(entry, created_at="2026-01-19T99:34:56Z"),
    "a control character": lambda entry: broken(entry, backbone="\x1b[31m"),
    "hashes a list": lambda entry: broken(entry, sha256=[]),
    "a hash a number": lambda entry: broken(entry, sha256={"weights": 1}),
    "a width a text": lambda entry: broken(entry, hidden_sizes=["64"]),
}


@pytest.mark.parametrize("how", CORRUPT)
def test_a_corrupt_file_is_set_aside_named_and_rebuilt(folder, fakes, how):
    entry = fakes.model(folder, "x", tags=("dear",))
    good = (folder / "registry.json").read_bytes()
    bad = CORRUPT[how](entry_to_json(entry))
    (folder / "registry.json").write_bytes(bad)
    registry, notices = quiet(folder)
    assert registry.models() == [entry]
    assert (folder / "registry.json").read_bytes() == good
    (aside,) = folder.glob("registry.json.corrupt-*")
    assert aside.read_bytes() == bad
    assert aside.name in notices[0]
    assert "rebuilt from 1 config files" in notices[0]


def test_two_corrupt_files_in_one_second_are_both_kept(folder, fakes):
    fakes.model(folder, "x")
    for content in (b"one", b"two", b"three"):
        (folder / "registry.json").write_bytes(content)
        quiet(folder)[0].models()
    kept = {path.read_bytes() for path in folder.glob("registry.json.corrupt-*")}
    assert kept == {b"one", b"two", b"three"}


def test_a_deleted_registry_comes_back(folder, fakes):
    fakes.model(folder, "x")
    fakes.model(folder, "archive/y")
    good = (folder / "registry.json").read_bytes()
    (folder / "registry.json").unlink()
    registry, notices = quiet(folder)
    assert len(registry.models()) == 2
    assert (folder / "registry.json").read_bytes() == good
    assert "is missing" in notices[0]


def test_one_damaged_line_costs_nothing(folder, fakes):
    for stem in "abc":
        fakes.model(folder, stem)
    path = folder / "registry.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"epochs": 3, "training_frames"', b'"epochs": 3, "training_fr\xffmes"', 1))
    registry, notices = quiet(folder)
    registry.tag("c", ["t"])
    assert [entry.tags for entry in registry.models()] == [(), (), ("t",)]
    assert any("corrupt" in notice for notice in notices)


def test_asking_for_the_damaged_model_mends_the_file(folder, fakes):
    entry = fakes.model(folder, "a")
    path = folder / "registry.json"
    path.write_bytes(path.read_bytes().replace(b'"epochs": 3', b'"epochs": -3', 1))
    registry, notices = quiet(folder)
    assert registry.get("a") == entry
    assert "corrupt" in notices[0]


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
tags = texts.filter(lambda text: tag_problem(text) is None)
entries = st.builds(
    lambda stem, fields: ModelEntry(**{**places(stem), **fields}),
    st.sampled_from(["a", "fox/b", "archive/c", "archive/fox/d", "é/ü", "v1.0"]),
    st.fixed_dictionaries(
        {
            "created_at": st.datetimes().map(utc_text).filter(lambda text: len(text) == 20),
            "character": st.none() | texts,
            "backbone": texts,
            "temporal": st.booleans(),
            "hidden_sizes": st.lists(st.integers(1, 999), max_size=3),
            "window_size": st.none() | st.integers(1, 999),
            "epochs": st.integers(0, 99),
            "training_frames": st.none() | st.integers(0, 2**40),
            "val_loss": st.none() | st.floats(),
            "parent_model": st.none() | texts,
            "tags": st.lists(tags, max_size=3),
            "training_type": st.sampled_from(["imitation", "fine_tune", "ppo", "self_play"]),
            "inherited_epochs": st.integers(0, 99),
            "sha256": st.dictionaries(st.sampled_from(["policy", "weights"]), texts),
            "plugins": st.dictionaries(texts, texts, max_size=3),
            "schema": st.none() | texts,
            "delay": st.none() | st.integers(0, 30),
            "validation_games": st.none() | texts,
        }
    ),
)


@given(entries)
def test_an_entry_reads_back_as_it_was_written(entry):
    written = json.loads(json.dumps(entry_to_json(entry), allow_nan=False))
    read = entry_from_json(written)
    assert read == entry
    assert list(vars(read)) == list(vars(entry)) == list(FIELDS)
    assert entry_to_json(read) == written


@settings(max_examples=30)
@given(st.lists(entries, unique_by=lambda entry: entry.id, max_size=4))
def test_the_quick_reader_finds_every_line(models):
    lines = split(registry_text(models))
    if not models:
        assert lines is None or lines == {}
        return
    assert lines is not None
    assert {id: entry_from_json(json.loads(line)) for id, line in lines.items()} == {e.id: e for e in models}


@settings(max_examples=30)
@given(st.lists(entries, unique_by=lambda entry: entry.id, max_size=4), st.randoms())
def test_the_file_depends_on_the_models_alone(models, random):
    shuffled = list(models)
    random.shuffle(shuffled)
    assert registry_text(shuffled) == registry_text(models)


@settings(max_examples=25, deadline=None)
@given(
    models=st.lists(entries, unique_by=lambda entry: entry.id, max_size=5),
    tags=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "é", "z-1"])), max_size=5),
)
def test_rebuilding_gives_the_same_bytes_tags_included(tmp_path_factory, models, tags):
    folder = tmp_path_factory.mktemp("rebuild")
    registry, notices = quiet(folder)
    registry.create()
    for entry in models:
        (folder / entry.config_path).parent.mkdir(parents=True, exist_ok=True)
        write_config(folder, entry)
        registry.add(entry)
    for index, tag in tags:
        if index < len(models):
            registry.tag(models[index].id, [tag])
    before = (folder / "registry.json").read_bytes()
    registry.rebuild()
    assert (folder / "registry.json").read_bytes() == before
    if models:
        (folder / "registry.json").unlink()
        registry.models()
        assert (folder / "registry.json").read_bytes() == before
    assert len(notices) == bool(models)


def test_rebuilding_says_what_it_left_out(folder, fakes):
    fakes.model(folder, "x")
    (folder / "torn_config.json").write_text("{")
    shutil.copy(folder / "x_config.json", folder / "copy_config.json")
    (folder / "other_config.json").write_text('{"name": "of another program"}')
    models, left_out = Registry(folder).rebuild()
    assert [entry.id for entry in models] == ["x"]
    assert len(left_out) == 3
    assert "belongs at x_config.json" in left_out[0]


def test_links_are_not_read(folder, fakes, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    fakes.model(outside, "x")
    fakes.model(outside, "sub/y")
    (folder / "x_config.json").symlink_to(outside / "x_config.json")
    (folder / "sub").symlink_to(outside / "sub")
    assert Registry(folder).rebuild() == ([], [])


def test_a_folder_that_may_only_be_read_can_be_read(folder, fakes, monkeypatch):
    entry = fakes.model(folder, "x")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(Registry, "lock", lambda self, wait=True: pytest.fail("locked"))
    assert Registry(folder).models() == [entry]
    (folder / "registry.json").unlink()
    assert Registry(folder).models() == [entry]
    assert not (folder / "registry.json").exists()


def test_a_lock_that_is_never_released_is_named(folder, fakes, monkeypatch):
    fakes.model(folder, "x")
    monkeypatch.setattr(registry_module, "LOCK_SECONDS", 0.05)
    with FileLock(folder / "registry.json.lock"):
        assert Registry(folder).get("x").id == "x"
        with pytest.raises(RegistryError, match=r"registry\.json has been locked by another process"):
            Registry(folder).tag("x", ["t"])


def test_tagging_never_writes_into_another_models_config_file(folder, fakes):
    fakes.model(folder, "a")
    fakes.model(folder, "b")
    before = (folder / "b_config.json").read_bytes()
    (folder / "a_config.json").write_bytes(before)
    with pytest.raises(RegistryError, match=r"a_config\.json belongs to another model, b"):
        Registry(folder).tag("a", ["t"])
    assert (folder / "b_config.json").read_bytes() == before


def test_tagging_takes_over_whatever_else_the_config_file_says(folder, fakes):
    entry = fakes.model(folder, "a", val_loss=2.0)
    fakes.model(folder, "b", val_loss=1.0)
    write_config(folder, attrs.evolve(entry, val_loss=0.5))
    Registry(folder).tag("a", ["t"])
    document = json.loads((folder / "registry.json").read_bytes())
    assert document["leaderboard"]["best_overall"] == "a"
    before = (folder / "registry.json").read_bytes()
    Registry(folder).rebuild()
    assert (folder / "registry.json").read_bytes() == before


def test_a_folder_that_is_not_there_is_not_made_by_asking(tmp_path):
    registry = Registry(tmp_path / "none")
    for action in (lambda: registry.tag("x", ["t"]), lambda: registry.restore("x"), registry.rebuild):
        with pytest.raises(RegistryError, match="no such folder"):
            action()
    assert list(tmp_path.iterdir()) == []


def test_rebuilding_refuses_a_newer_registry_and_sets_a_corrupt_one_aside(folder, fakes):
    fakes.model(folder, "x")
    good = (folder / "registry.json").read_bytes()
    newer = good.replace(b'"schema": 1', b'"schema": 2', 1)
    (folder / "registry.json").write_bytes(newer)
    with pytest.raises(RegistryError, match="newer ExPhil"):
        Registry(folder).rebuild()
    assert (folder / "registry.json").read_bytes() == newer
    (folder / "registry.json").write_bytes(b"{")
    registry, notices = quiet(folder)
    registry.rebuild()
    assert (folder / "registry.json").read_bytes() == good
    assert len(list(folder.glob("registry.json.corrupt-*"))) == len(notices) == 1


def test_threads_may_share_a_registry(folder, fakes):
    fakes.model(folder, "x")
    registry = Registry(folder)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: registry.tag("x", [f"t{n}"]), range(24)))
    assert len(registry.get("x").tags) == 24


def test_a_model_may_not_claim_the_files_of_another(folder, fakes):
    # The weights of "x_policy" would be the policy of "x".
    entry = entry_to_json(fakes.entry("x"))
    for stem in ("x_policy", "registry", "archive/archive/x", "x.state/y", "x" * 161):
        with pytest.raises(ValueError, match="not a model's path"):
            entry_from_json(entry | places(stem))


def test_the_digest_of_games_forgets_order_and_repeats():
    assert games_digest(["b", "a", "a"]) == games_digest(["a", "b"]) != games_digest(["a"])
    assert len(games_digest([])) == 16
