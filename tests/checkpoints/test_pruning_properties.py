"""Over random registries and any combination of strategies: what must never happen doesn't."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import entry_to_json
from exphil_core.checkpoints.files import ENDINGS
from exphil_core.checkpoints.pruning import PruningContext, carry_out, load_strategy, plan_pruning
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.verify import verify
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import load_plugins

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)
MANAGER = load_plugins()
STEMS = ["a", "fox/b", "fox/c", "d", "archive/e", "archive/fox/f"]

registries = st.lists(
    st.fixed_dictionaries(
        {
            "stem": st.sampled_from(STEMS),
            "created_at": st.integers(1, 31).map(lambda day: f"2026-01-{day:02}T00:00:00Z"),
            "val_loss": st.none() | st.floats(0, 3),
            "tags": st.lists(st.sampled_from(["t", "u"]), max_size=1),
            "parent_model": st.none() | st.sampled_from(["a", "fox_b", "d", "e", "nowhere"]),
            "delay": st.sampled_from([0, 18]),
        }
    ),
    unique_by=lambda model: model["stem"],
    max_size=6,
)
combinations = st.fixed_dictionaries(
    {},
    optional={
        "keep-best-n": st.builds(dict, keep_best=st.integers(1, 3)),
        "keep-recent-n": st.builds(dict, keep_recent=st.integers(1, 3)),
        "keep-tagged": st.just({}),
        "archive": st.builds(dict, archive_older_than=st.integers(0, 31).map(lambda days: days * 86400.0)),
    },
)


def files_of(files, stem):
    """Those of a model among the names of all files."""
    state = f"checkpoints/{stem}.state/"
    return {n for n in files if n in {f"checkpoints/{stem}{end}" for end in ENDINGS} or n.startswith(state)}


def descends_from(models, id):
    """Ids of the ancestors of `id`, however the parents are tangled."""
    found, waiting = set(), [id]
    while waiting:
        parent = models[waiting.pop()].parent_model
        if parent in models and parent not in found:
            found.add(parent)
            waiting.append(parent)
    return found - {id}


@settings(max_examples=60, deadline=None)
@given(models=registries, chosen=combinations, prune_parents=st.booleans(), include_archived=st.booleans())
def test_what_a_keep_rule_names_stays_and_nothing_else_suffers(
    tmp_path_factory, fakes, models, chosen, prune_parents, include_archived
):
    root = tmp_path_factory.mktemp("prune")
    folder = root / "checkpoints"
    fakes.write_files(root / "outside", "a")
    for model in models:
        fields = dict(model)
        stem = fields.pop("stem")
        entry = fakes.entry(stem, fakes.write_files(folder, stem), **fields)
        write_config(folder, entry)
    fakes.write_files(folder, "in_progress")
    (folder / "notes.txt").write_text("mine")
    registry = Registry(folder)
    registry.rebuild()
    before, known = fakes.tree(root), {entry.id: entry for entry in registry.models()}

    def plan():
        strategies = [load_strategy(MANAGER, name, values) for name, values in chosen.items()]
        options = {"prune_parents": prune_parents, "include_archived": include_archived}
        return plan_pruning(registry, strategies, NOW, **options), strategies

    first, strategies = plan()
    assert fakes.tree(root) == before, "planning changed something"
    carry_out(registry, first)
    after, left = fakes.tree(root), {entry.id: entry for entry in registry.models()}

    # Every model is whole where the registry says, or gone without a trace.
    assert verify(registry) == []
    for id, entry in known.items():
        if id in left:
            assert len(files_of(after, left[id].stem)) == len(ENDINGS)
        if id not in left or left[id] != entry:
            assert not files_of(after, entry.stem)
    # Nothing that a keep rule names is removed.
    asked = [entry for entry in known.values() if include_archived or not entry.archived]
    context = PruningContext(now=NOW, folder=folder, size_of=lambda entry: 1)
    for strategy in strategies:
        for decision in strategy.plan(asked, context):
            if decision.action == "keep":
                assert left[decision.id] == known[decision.id]
    # Archiving alone deletes nothing; without include_archived, no archived model is touched.
    if set(chosen) <= {"archive"}:
        assert left.keys() == known.keys()
    if not include_archived:
        assert all(left.get(id) == entry for id, entry in known.items() if entry.archived)
    # What a model that stayed descends from stayed.
    if not prune_parents:
        for planned in first.models:
            if planned.action == "keep" and not planned.entry.archived:
                for ancestor in descends_from(known, planned.entry.id):
                    assert left[ancestor] == known[ancestor]
            if planned.entry.id in left:
                assert descends_from(known, planned.entry.id) <= left.keys()
    # Files of no model, and everything outside, are as they were.
    ours = set().union(*(files_of(before, entry.stem) for entry in known.values()))
    foreign = {name for name in before if name not in ours and "registry.json" not in name}
    assert {name: after.get(name) for name in foreign} == {name: before[name] for name in foreign}
    # The bytes are those that the plan promised, and the registry follows from the config files.
    gone = [name for id, entry in known.items() if id not in left for name in files_of(before, entry.stem)]
    assert first.bytes_freed == sum(len(before[name]) for name in gone)
    text = registry.file.read_bytes()
    registry.rebuild()
    assert registry.file.read_bytes() == text
    # A second run of the same plan does nothing.
    second, _ = plan()
    assert {planned.action for planned in second.models} <= {"keep"}
    carry_out(registry, second)
    assert fakes.tree(root) == after


hostile_paths = st.sampled_from(
    [
        "../outside/a",
        "/{root}/outside/a",
        "fox/../../outside/a",
        "link/a",
        "C:\\x",
        "\\\\host\\x",
        "~/a",
        "./a",
        "",
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    path=hostile_paths,
    into_config=st.booleans(),
    name=st.sampled_from(["path", "policy_path", "config_path", "id"]),
    all_paths=st.booleans(),
    chosen=combinations,
)
def test_a_hostile_registry_leads_nowhere(
    tmp_path_factory, fakes, path, into_config, name, all_paths, chosen
):
    root = tmp_path_factory.mktemp("hostile")
    folder = root / "checkpoints"
    fakes.write_files(root / "outside", "a")
    write_config(root / "outside", fakes.entry("a"))
    fakes.model(folder, "a")
    (folder / "link").symlink_to(root / "outside")
    bad = path.replace("{root}", str(root).lstrip("/"))
    entry = entry_to_json(fakes.entry("a"))
    endings = {
        "path": ".safetensors",
        "policy_path": "_policy.safetensors",
        "config_path": "_config.json",
        "id": "",
    }
    for field in endings if all_paths else [name]:
        entry[field] = bad + endings[field]
    if into_config:
        (folder / "a_config.json").write_text(json.dumps({"schema": 1, "model": entry}))
    (folder / "registry.json").write_text(json.dumps({"schema": 1, "models": [entry]}))
    outside, link = fakes.tree(root / "outside"), (folder / "link").readlink()

    registry = Registry(folder, notify=lambda line: None)
    strategies = [load_strategy(MANAGER, strategy, values) for strategy, values in chosen.items()]
    try:
        carry_out(
            registry, plan_pruning(registry, strategies, NOW, prune_parents=True, include_archived=True)
        )
        for model in registry.models():
            registry.tag(model.id, ["t"])
        verify(registry)
    except ExphilError:
        pass
    assert fakes.tree(root / "outside") == outside
    assert (folder / "link").readlink() == link
    assert {child.name for child in root.iterdir()} == {"checkpoints", "outside"}
