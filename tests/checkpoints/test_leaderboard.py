"""Ranking: only what was scored on the same frames competes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exphil_core.checkpoints.leaderboard import leaderboard, rank


def ids(entries):
    return [entry.id for entry in entries]


def test_lower_is_better_and_models_without_loss_are_set_apart(fakes):
    models = [
        fakes.entry(s, val_loss=v) for s, v in (("a", 2.0), ("b", None), ("c", 1.0), ("d", float("nan")))
    ]
    ranking = rank(models)
    assert ids(ranking.ranked) == ["c", "a"]
    assert [(entry.id, reason) for entry, reason in ranking.apart] == [
        ("b", "has no val_loss"),
        ("d", "has no val_loss"),
    ]


def test_other_games_delays_and_schemas_are_set_apart_with_the_reason(fakes):
    models = [
        fakes.entry("a", val_loss=2.0),
        fakes.entry("b", val_loss=3.0),
        fakes.entry("games", val_loss=1.0, validation_games="g2"),
        fakes.entry("delay", val_loss=1.0, delay=18),
        fakes.entry("both", val_loss=1.0, delay=18, schema="s2"),
        fakes.entry("silent", val_loss=1.0, validation_games=None, delay=None),
    ]
    ranking = rank(models)
    assert ids(ranking.ranked) == ["a", "b"]
    assert {entry.id: reason for entry, reason in ranking.apart} == {
        "games": "held-out games g2, not g1",
        "delay": "delay 18, not 0",
        "both": "schema s2, not s1; delay 18, not 0",
        "silent": "doesn't say its delay and validation_games",
    }


def test_of_two_groups_alike_the_newer_one_is_ranked(fakes):
    models = [
        fakes.entry("old", val_loss=1.0, created_at="2026-01-01T00:00:00Z"),
        fakes.entry("new", val_loss=2.0, delay=18, created_at="2026-01-02T00:00:00Z"),
    ]
    assert ids(rank(models).ranked) == ["new"]


def test_each_character_and_backbone_has_its_best_and_the_archive_does_not_compete(fakes):
    models = [
        fakes.entry("a", val_loss=2.0, character="fox", backbone="gru"),
        fakes.entry("b", val_loss=1.0, character="fox", backbone="mlp"),
        fakes.entry("c", val_loss=5.0, character="zelda", validation_games="g2", backbone="gru"),
        fakes.entry("d", val_loss=3.0),
        fakes.entry("archive/e", val_loss=0.1, character="fox"),
    ]
    assert leaderboard(models) == {
        "best_overall": "b",
        "best_by_backbone": {"gru": "a", "mamba": "d", "mlp": "b"},
        "best_by_character": {"any": "d", "fox": "b", "zelda": "c"},
    }
    assert leaderboard([]) == {"best_overall": None, "best_by_backbone": {}, "best_by_character": {}}


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 9), st.sampled_from([0, 18]), st.sampled_from(["g1", None])),
        max_size=8,
    )
)
def test_the_best_is_the_first_of_the_ranking(fakes, rows):
    models = [
        fakes.entry(f"m{n}", val_loss=loss, delay=delay, validation_games=games)
        for n, (loss, delay, games) in enumerate(rows)
    ]
    ranking = rank(models)
    assert leaderboard(models)["best_overall"] == (ranking.ranked[0].id if ranking.ranked else None)
    assert sorted(ids(ranking.ranked) + [entry.id for entry, _ in ranking.apart]) == sorted(ids(models))
    losses = [entry.val_loss for entry in ranking.ranked]
    assert losses == sorted(losses)
