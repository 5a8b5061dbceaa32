"""Family trees: drawn whole, whatever the parents look like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exphil_core.checkpoints.lineage import CYCLE, MISSING, draw, facts, lineage, mermaid, with_replays


def family(fakes, **parents):
    return [fakes.entry(id, parent_model=parent) for id, parent in parents.items()]


def of(models, id):
    return lineage(models, next(entry for entry in models if entry.id == id))


def shape(nodes):
    return [(node.depth, node.id, node.relation, node.note) for node in nodes]


def test_ancestors_and_descendants_but_not_cousins(fakes):
    models = family(
        fakes, root=None, parent="root", me="parent", kid="me", kid2="me", grandkid="kid", cousin="root"
    )
    assert shape(of(models, "me")) == [
        (0, "root", "ancestor", ""),
        (1, "parent", "ancestor", ""),
        (2, "me", "self", ""),
        (3, "kid", "descendant", ""),
        (4, "grandkid", "descendant", ""),
        (3, "kid2", "descendant", ""),
    ]


def test_a_missing_parent_and_cycles_are_shown(fakes):
    assert shape(of(family(fakes, me="gone"), "me"))[0] == (0, "gone", "ancestor", MISSING)
    assert shape(of(family(fakes, me="me"), "me")) == [
        (0, "me", "ancestor", CYCLE),
        (1, "me", "self", ""),
        (2, "me", "descendant", CYCLE),
    ]
    assert [node.note for node in of(family(fakes, a="b", b="a"), "a")] == [CYCLE, "", "", "", CYCLE]
    # A cycle further up, of which the model itself is no part.
    assert [node.id for node in of(family(fakes, a="b", b="a", me="a"), "me")] == ["a", "b", "a", "me"]


def test_the_drawing(fakes, folder):
    fakes.model(folder, "root", epochs=50, training_frames=9, tags=("t", "u"), val_loss=1.25)
    fakes.model(folder, "me", parent_model="root", epochs=5, inherited_epochs=50, training_type="fine_tune")
    fakes.model(folder, "archive/one", parent_model="me", epochs=1)
    fakes.model(folder, "two", parent_model="one")
    fakes.model(folder, "zoo", parent_model="me")
    from exphil_core.checkpoints.registry import Registry

    nodes = with_replays(of(Registry(folder).models(), "me"), folder)
    assert draw(nodes) == [
        "root  (imitation, 50 epochs, 12 replays, val_loss 1.2500, tags: t u)",
        "└─ * me  (fine-tune, 5 epochs after 50, 12 replays)",
        "   ├─ one  (imitation, 1 epoch, 12 replays, archived)",
        "   │  └─ two  (imitation, 3 epochs, 12 replays)",
        "   └─ zoo  (imitation, 3 epochs, 12 replays)",
    ]
    assert all(line.isascii() for line in draw(nodes, fancy=False))


def test_the_mermaid_chart_escapes_what_would_end_a_label(fakes):
    models = [fakes.entry("root", tags=('a"]',)), fakes.entry("me", parent_model="root")]
    chart = mermaid(of(models, "me"))
    assert chart[0] == "graph TD"
    assert chart[1] == '  m0["root<br/>imitation<br/>3 epochs<br/>tags: a#quot;]"]'
    assert "  m0 --> m1" in chart


def test_a_config_file_that_cannot_be_read_only_hides_the_count(fakes, folder):
    fakes.model(folder, "a")
    (folder / "a_config.json").write_text("{")
    (node,) = with_replays(of([fakes.entry("a")], "a"), folder)
    assert "replays" not in " ".join(facts(node))


@given(st.lists(st.none() | st.integers(0, 7), min_size=1, max_size=7), st.integers(0, 6))
def test_any_tangle_of_parents_is_drawn_to_an_end(fakes, parents, asked):
    models = [
        fakes.entry(f"m{n}", parent_model=None if parent is None else f"m{parent}")
        for n, parent in enumerate(parents)
    ]
    nodes = lineage(models, models[asked % len(models)])
    assert len(nodes) <= 2 * len(models) + 2
    assert len(draw(nodes)) == len(nodes)
    unnoted = [node.id for node in nodes if not node.note and node.relation != "ancestor"]
    assert len(unnoted) == len(set(unnoted))
    for before, after in zip(nodes, nodes[1:], strict=False):
        assert after.depth <= before.depth + 1


def test_a_thousand_generations_are_no_problem(fakes):
    models = [fakes.entry(f"m{n}", parent_model=f"m{n - 1}" if n else None) for n in range(2000)]
    assert len(draw(of(models, "m1000"))) == 2000
