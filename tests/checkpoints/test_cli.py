"""`exphil registry` and `exphil prune` as users and their scripts see them."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from exphil_core.checkpoints.registry import Registry
from exphil_core.cli.main import cli
from exphil_core.plugin_manager import load_plugins


@pytest.fixture
def models(folder, fakes):
    """Three models: a parent, its child, and one that doesn't compare."""
    fakes.model(folder, "mewtwo/mamba_1", character="mewtwo", val_loss=1.5, tags=("dear",))
    fakes.model(
        folder, "mewtwo/mamba_2", character="mewtwo", val_loss=1.25, parent_model="mewtwo_mamba_1",
        created_at="2026-01-20T00:00:00Z", training_type="fine_tune", inherited_epochs=3,
    )  # fmt: skip
    fakes.model(folder, "gru_1", backbone="gru", val_loss=0.5, delay=18)
    return folder


def lines_of(text):
    return [line.split() for line in text.splitlines()]


def test_list_filters_and_sorts(models, exphil):
    status, out, _ = exphil("registry", "list", "--checkpoints", models)
    assert status == 0
    assert [row[0] for row in lines_of(out)] == ["id", "gru_1", "mewtwo_mamba_1", "mewtwo_mamba_2"]
    for filters, expected in (
        (["--backbone", "gru"], ["gru_1"]),
        (["--backbone", "mamba", "--sort", "val_loss"], ["mewtwo_mamba_2", "mewtwo_mamba_1"]),
        (["--character", "Mewtwo", "--tag", "dear"], ["mewtwo_mamba_1"]),
        (["--character", "any"], ["gru_1"]),
        (["--character", "fox"], []),
    ):
        status, out, _ = exphil("registry", "list", "--checkpoints", models, "--json", *filters)
        assert (status, [row["id"] for row in json.loads(out)]) == (0, expected)


def test_list_prints_the_entries_as_they_are(models, exphil):
    _, out, _ = exphil("registry", "list", "--checkpoints", models, "--json")
    assert json.loads(out) == json.loads((models / "registry.json").read_bytes())["models"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "--backbone", "mamab"], 'unknown backbone "mamab" (did you mean "mamba"?)'),
        (["list", "--character", "mewtoo"], 'did you mean "mewtwo"?'),
        (["list", "--sort", "val_los"], "val_loss"),
        (["show", "mewtwo_manba_1"], 'did you mean "mewtwo_mamba_1"?'),
        (["show", "mew"], "ambiguous: mewtwo_mamba_1, mewtwo_mamba_2"),
        (["tag", "gru_1", "two words"], "without spaces"),
        (["untag", "mewtwo_mamba_1", "deer"], 'did you mean "dear"?'),
        (["lineage", "gru", "--json", "--mermaid"], "contradict"),
        (["leaderbord"], "leaderbord"),
    ],
)
def test_mistakes_are_one_line_with_the_way_out(models, exphil, arguments, expected):
    status, out, err = exphil("registry", *arguments, "--checkpoints", models)
    assert status == 2
    assert out == ""
    assert expected in err
    assert err.startswith("exphil: ")
    assert err.count("\n") == 1


def test_filters_that_no_model_passes_don_t_ask_for_another(models, exphil):
    status, _, err = exphil("registry", "list", "--tag", "nobody", "--checkpoints", models)
    assert (status, err) == (0, f"none of 3 models in {models} is such a one\n")


def test_a_model_without_its_config_file_is_shown_with_a_line_that_says_so(models, exphil):
    (models / "gru_1_config.json").unlink()
    status, _, err = exphil("registry", "show", "gru_1", "--checkpoints", models)
    config = models / "gru_1_config.json"
    assert (status, err) == (
        0,
        f"exphil: {config}: No such file or directory; run `exphil registry verify`\n",
    )


def test_a_folder_without_models_lists_nothing_and_is_not_made(tmp_path, exphil):
    status, _, err = exphil("registry", "list", "--checkpoints", tmp_path / "none")
    assert status == 0
    assert err == f"no models in {tmp_path / 'none'}; `exphil train --demo` makes one\n"
    assert json.loads(exphil("registry", "list", "--checkpoints", tmp_path / "none", "--json")[1]) == []
    assert list(tmp_path.iterdir()) == []


def test_leaderboard_ranks_and_says_what_it_set_apart(models, exphil):
    status, out, _ = exphil("registry", "leaderboard", "--checkpoints", models)
    assert status == 0
    rows = lines_of(out)
    assert [row[:3] for row in rows[1:3]] == [
        ["1", "mewtwo_mamba_2", "1.2500"],
        ["2", "mewtwo_mamba_1", "1.5000"],
    ]
    assert "set apart, delay 18, not 0: gru_1" in out
    told = json.loads(exphil("registry", "leaderboard", "--checkpoints", models, "--json")[1])
    assert told["terms"] == {"schema": "s1", "delay": 0, "validation_games": "g1"}
    assert [row["id"] for row in told["ranked"]] == ["mewtwo_mamba_2", "mewtwo_mamba_1"]
    assert told["apart"] == [{"id": "gru_1", "reason": "delay 18, not 0"}]


def test_show_has_the_entry_and_the_results(models, exphil):
    status, out, _ = exphil("registry", "show", "gru", "--checkpoints", models)
    assert status == 0
    assert "results.val_loss_change" in out
    told = json.loads(exphil("registry", "show", "gru", "--checkpoints", models, "--json")[1])
    assert told["id"] == "gru_1"
    assert told["results"]["validation_frames"] == 1000
    assert told["config"]["lr"] == 0.001


def test_show_without_config_file_says_so_and_shows_the_rest(models, exphil):
    (models / "gru_1_config.json").unlink()
    status, out, err = exphil("registry", "show", "gru", "--checkpoints", models, "--json")
    assert status == 0
    assert json.loads(out)["id"] == "gru_1"
    assert "run `exphil registry verify`" in err


def test_tag_and_untag(models, exphil):
    assert exphil("registry", "tag", "gru", "b", "a", "--checkpoints", models)[1] == "gru_1: a b\n"
    assert exphil("registry", "untag", "gru", "b", "--checkpoints", models)[1] == "gru_1: a\n"
    assert Registry(models).get("gru").tags == ("a",)


def test_lineage_as_text_json_and_mermaid(models, exphil):
    _, out, _ = exphil("registry", "lineage", "mewtwo_mamba_2", "--checkpoints", models)
    assert out.splitlines()[0].startswith("mewtwo_mamba_1  (imitation, 3 epochs, 12 replays")
    assert "* mewtwo_mamba_2  (fine-tune, 3 epochs after 3" in out
    _, out, _ = exphil("registry", "lineage", "mewtwo_mamba_2", "--checkpoints", models, "--json")
    nodes = json.loads(out)["nodes"]
    assert [(node["id"], node["depth"], node["relation"]) for node in nodes] == [
        ("mewtwo_mamba_1", 0, "ancestor"),
        ("mewtwo_mamba_2", 1, "self"),
    ]
    assert nodes[0]["replays"] == 12
    _, out, _ = exphil("registry", "lineage", "mewtwo_mamba_1", "--checkpoints", models, "--mermaid")
    assert out.startswith("graph TD\n")


def test_compare(models, exphil):
    _, out, _ = exphil("registry", "compare", "mewtwo_mamba_1", "gru_1", "--checkpoints", models)
    assert "their losses don't compare" in out
    assert ["model", "backbone", "mamba", "gru"] in lines_of(out)
    assert ["config", "lr", "0.001", "0.001"] not in lines_of(out)
    _, out, _ = exphil("registry", "compare", "mewtwo_mamba_1", "gru_1", "--checkpoints", models, "--all")
    assert ["config", "lr", "0.001", "0.001"] in lines_of(out)
    told = json.loads(exphil("registry", "compare", "gru", "gru", "--checkpoints", models, "--json")[1])
    assert told["not_comparable"] is None


def test_verify_and_rebuild(models, exphil):
    assert exphil("registry", "verify", "--checkpoints", models)[:2] == (0, "3 models, all as recorded\n")
    (models / "gru_1.safetensors").write_bytes(b"0")
    (models / "registry.json").write_bytes(b"{")
    status, out, _ = exphil("registry", "verify", "--checkpoints", models)
    assert status == 1
    assert "registry: " in out
    assert "gru_1: gru_1.safetensors is damaged" in out
    status, out, _ = exphil("registry", "verify", "--checkpoints", models, "--json")
    assert (status, json.loads(out)["models"]) == (1, 3)
    (models / "torn_config.json").write_text("{")
    status, out, err = exphil("registry", "rebuild", "--checkpoints", models)
    assert (status, out) == (0, f"3 models in {models}\n")
    assert "torn_config.json" in err


def test_import_and_restore(models, tmp_path, exphil):
    target = tmp_path / "new"
    arguments = ("registry", "import", models, "--checkpoints", target, "--training-type", "ppo")
    status, out, err = exphil(*arguments)
    assert (status, out.count("imported "), err) == (0, 3, "")
    assert json.loads(exphil(*arguments, "--json")[1])["imported"] == []
    exphil("prune", "--archive-older-than", "0s", "--checkpoints", target)
    assert all(entry.archived for entry in Registry(target).models())
    status, out, _ = exphil("registry", "restore", "gru", "--checkpoints", target)
    assert (status, out) == (0, "gru_1 is back at gru_1.safetensors\n")
    assert exphil("registry", "restore", "gru", "--checkpoints", target)[0] == 1
    assert exphil("registry", "import", tmp_path / "none", "--checkpoints", target)[0] == 1


def test_an_import_that_leaves_one_out_says_so_with_exit_status_1(models, tmp_path, exphil):
    (models / "gru_1.safetensors").write_bytes(b"0")
    arguments = ("registry", "import", models, "--checkpoints", tmp_path / "new")
    status, out, err = exphil(*arguments)
    assert (status, out.count("imported ")) == (1, 2)
    assert err == (
        "exphil: left out: gru_1: gru_1.safetensors is damaged or was changed: its SHA-256 is not the recorded one\n"
    )
    status, out, err = exphil(*arguments, "--json")
    assert (status, len(json.loads(out)["left_out"]), err) == (1, 1, "")


def test_prune_prints_the_plan_then_acts(models, exphil):
    before = sorted(path.name for path in models.rglob("*"))
    status, out, _ = exphil("prune", "--keep-best", 1, "--checkpoints", models, "--dry-run")
    assert status == 0
    assert sorted(path.name for path in models.rglob("*")) == before
    plan = {row[0]: row[1] for row in lines_of(out)[1:4]}
    assert plan == {"gru_1": "keep", "mewtwo_mamba_1": "keep", "mewtwo_mamba_2": "keep"}
    assert "mewtwo_mamba_2 descends from it" in out
    status, out, _ = exphil("prune", "--keep-best", 1, "--prune-parents", "--checkpoints", models, "--json")
    told = json.loads(out)
    assert {row["id"]: row["action"] for row in told["models"]}["mewtwo_mamba_1"] == "delete"
    assert told["bytes_freed"] > 0
    assert [entry.id for entry in Registry(models).models()] == ["gru_1", "mewtwo_mamba_2"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "nothing to prune by"),
        (["--keep-bst", 1], "--keep-best"),
        (["--keep-best", 0], '--keep-best: 0 must be at least 1'),
        (["--keep-best", "two"], '--keep-best: "two" is not a whole number'),
        (["--archive-older-than", "7 weeks"], "is not a duration"),
        (["--strategy", "keep-best"], 'did you mean "keep-best-n"?'),
        (["--strategy", "keep-best-n"], "strategy keep-best-n needs --keep-best"),
    ],
)  # fmt: skip
def test_prune_refuses_what_makes_no_sense(models, exphil, arguments, expected):
    status, out, err = exphil("prune", *arguments, "--checkpoints", models)
    assert (status, out) == (2, "")
    assert expected in err
    assert len(Registry(models).models()) == 3


def test_a_plan_that_no_longer_holds_is_not_carried_out(models, exphil, monkeypatch):
    from exphil_core.cli import prune

    real = prune._print

    def meanwhile(plan, dry_run, as_json):
        real(plan, dry_run, as_json)
        Registry(models).tag("mewtwo_mamba_2", ["dear"])

    monkeypatch.setattr(prune, "_print", meanwhile)
    status, out, err = exphil("prune", "--keep-tagged", "--prune-parents", "--checkpoints", models)
    assert status == 1
    assert "delete" in out
    assert "models have changed since the plan was made; nothing was pruned" in err
    assert len(Registry(models).models()) == 3


def test_wrong_values_are_reported_together(models, exphil):
    _, _, err = exphil("prune", "--keep-best", "x", "--keep-recent", "y", "--checkpoints", models)
    assert "--keep-best" in err
    assert "--keep-recent" in err


def test_the_flags_of_every_strategy_are_in_the_help(exphil):
    _, out, _ = exphil("prune", "--help")
    for flag in ("--keep-best N", "--keep-recent N", "--keep-tagged", "--archive-older-than DURATION"):
        assert flag in out


@pytest.mark.parametrize("name", ["list", "leaderboard", "show", "lineage", "compare", "verify"])
def test_every_command_that_lists_has_json(name):
    context = click.Context(cli, obj=load_plugins())
    group = cli.get_command(context, "registry")
    command = group.get_command(context, name)
    assert "--json" in {name for parameter in command.params for name in parameter.opts}


def test_looking_at_models_imports_nothing_heavy(models):
    script = (
        "import sys; from exphil_core.cli.main import run\n"
        f"for words in (['list'], ['leaderboard'], ['tag', 'gru', 't'], ['lineage', 'gru']):\n"
        f"    assert run(['registry', *words, '--checkpoints', {str(models)!r}]) == 0\n"
        f"assert run(['prune', '--keep-best', '1', '--dry-run', '--checkpoints', {str(models)!r}]) == 0\n"
        "heavy = {'torch', 'numpy', 'safetensors', 'peppi_py', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
