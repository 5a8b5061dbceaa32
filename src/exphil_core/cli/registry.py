"""`exphil registry`: looking at trained models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.registry_options import (
    Command,
    cell_text,
    folder_option,
    json_option,
    loss_text,
    open_registry,
    print_rows,
)
from exphil_core.cli.registry_upkeep import import_from, rebuild_registry, restore_model, verify_registry
from exphil_core.errors import ExphilError, UsageError, unknown_name
from exphil_core.wording import counted, one_line

if TYPE_CHECKING:
    from exphil_core.checkpoints.entry import ModelEntry
    from exphil_core.checkpoints.leaderboard import Ranking

SORTABLE = ("created_at", "val_loss", "id", "epochs", "total_epochs", "training_frames")


@click.group()
def registry() -> None:
    """Trained models: list, rank, tag, trace, check.

    \b
    Example:
      exphil registry leaderboard
      exphil registry tag mewtwo_mamba_2026 tournament
    """


def _filters(command: Command) -> Command:
    command = click.option("--tag", "tags", multiple=True, help="Only models with this tag; repeatable.")(
        command
    )
    command = click.option("--character", help='Only models of this character ("any": of none).')(command)
    return click.option("--backbone", help="Only models with this backbone.")(command)


def _chosen(
    ctx: click.Context,
    models: Sequence[ModelEntry],
    backbone: str | None,
    character: str | None,
    tags: Sequence[str],
) -> list[ModelEntry]:
    chosen = list(models)
    if backbone is not None:
        name = _known_backbone(ctx, backbone, models)
        chosen = [entry for entry in chosen if entry.backbone == name]
    if character is not None:
        wanted = _known_character(character, models)
        chosen = [entry for entry in chosen if entry.character == wanted]
    return [entry for entry in chosen if set(tags) <= set(entry.tags)]


def _known_backbone(ctx: click.Context, name: str, models: Sequence[ModelEntry]) -> str:
    used = {entry.backbone for entry in models}
    if name in used:
        return name
    manager = manager_of(ctx)
    if name.lower() not in manager.names("exphil_backbones"):
        raise unknown_name("backbone", name, {*used, *manager.names("exphil_backbones")})
    return str(manager.get("exphil_backbones", name).spec.name)


def _known_character(name: str, models: Sequence[ModelEntry]) -> str | None:
    from exphil_core.melee.characters import CHARACTERS, find_character

    if name.lower() == "any":
        return None
    found, used = find_character(name), {entry.character for entry in models if entry.character}
    if found is None and name not in used:
        raise unknown_name("character", name, {*used, *(character.name for character in CHARACTERS)})
    return found.name if found else name


@registry.command("list")
@_filters
@click.option("--sort", type=click.Choice(SORTABLE), default="created_at", show_default=True, help="Order.")
@folder_option
@json_option
@click.pass_context
def list_models(
    ctx: click.Context,
    backbone: str | None,
    character: str | None,
    tags: tuple[str, ...],
    sort: str,
    folder: Path,
    as_json: bool,
) -> None:
    """All models, archived ones included."""
    from exphil_core.checkpoints.entry import entry_to_json

    everything = open_registry(folder).models()
    models = _chosen(ctx, everything, backbone, character, tags)
    models.sort(key=lambda entry: ((value := getattr(entry, sort)) is None, value, entry.id))
    if as_json:
        print_rows([entry_to_json(entry) for entry in models])
        return
    if not models:
        found = f"none of {counted(len(everything), 'model')} in {folder} is such a one"
        nothing = f"no models in {folder}; `exphil train --demo` makes one"
        click.echo(found if everything else nothing, err=True)
    print_table(
        (
            "id",
            "character",
            "backbone",
            "hidden",
            "window",
            "epochs",
            "val_loss",
            "created",
            "tags",
            "archived",
        ),
        [
            (
                entry.id,
                entry.character or "any",
                entry.backbone,
                ",".join(map(str, entry.hidden_sizes)),
                entry.window_size or "-",
                entry.total_epochs,
                loss_text(entry.val_loss),
                entry.created_at,
                " ".join(entry.tags),
                "yes" if entry.archived else "",
            )
            for entry in models
        ],
    )


@registry.command("leaderboard")
@_filters
@folder_option
@json_option
@click.pass_context
def show_leaderboard(
    ctx: click.Context,
    backbone: str | None,
    character: str | None,
    tags: tuple[str, ...],
    folder: Path,
    as_json: bool,
) -> None:
    """Rank models by val_loss, among those scored on the same held-out games.

    Losses on other games, with another delay or other observations say nothing about which model is better:
    those models are set apart, with the reason. Archived models don't compete.
    """
    from exphil_core.checkpoints.leaderboard import rank

    models = [entry for entry in open_registry(folder).models() if not entry.archived]
    ranking = rank(_chosen(ctx, models, backbone, character, tags))
    if as_json:
        print_json(_ranking_to_json(ranking))
        return
    print_table(
        ("place", "id", "val_loss", "character", "backbone", "epochs", "tags"),
        [
            (
                place,
                e.id,
                loss_text(e.val_loss),
                e.character or "any",
                e.backbone,
                e.total_epochs,
                " ".join(e.tags),
            )
            for place, e in enumerate(ranking.ranked, start=1)
        ],
    )
    reasons: dict[str, list[str]] = {}
    for entry, reason in ranking.apart:
        reasons.setdefault(reason, []).append(entry.id)
    for reason, ids in reasons.items():
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        click.echo(f"set apart, {reason}: {', '.join(ids[:3])}{more}")


def _ranking_to_json(ranking: Ranking) -> dict[str, Any]:
    terms = zip(("schema", "delay", "validation_games"), ranking.terms or (None, None, None), strict=True)
    return {
        "terms": dict(terms),
        "ranked": [
            {
                "place": place,
                "id": entry.id,
                "val_loss": entry.val_loss,
                "character": entry.character,
                "backbone": entry.backbone,
            }
            for place, entry in enumerate(ranking.ranked, start=1)
        ],
        "apart": [{"id": entry.id, "reason": reason} for entry, reason in ranking.apart],
    }


@registry.command("show")
@click.argument("model")
@folder_option
@json_option
def show_model(model: str, folder: Path, as_json: bool) -> None:
    """Everything about MODEL (an id, or the beginning of one)."""
    from exphil_core.checkpoints.config_file import SECTIONS, read_document
    from exphil_core.checkpoints.entry import entry_to_json

    found = open_registry(folder)
    entry = found.get(model)
    try:
        document = read_document(found.folder, entry.config_path)
    except (ExphilError, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        click.echo(f"exphil: {said}; run `exphil registry verify`", err=True)
        document = {}
    if as_json:
        print_json({**entry_to_json(entry), **{name: document.get(name, {}) for name in SECTIONS}})
        return
    rows = [(name, cell_text(value)) for name, value in entry_to_json(entry).items()]
    results = document.get("results")
    for name, value in (results if isinstance(results, dict) else {}).items():
        if name not in ("history", "val_loss"):
            rows.append((f"results.{name}", cell_text(value)))
    print_table(("field", "value"), rows)


@registry.command("tag")
@click.argument("model")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@folder_option
def tag_model(model: str, tags: tuple[str, ...], folder: Path) -> None:
    """Give MODEL tags. `exphil prune --keep-tagged` keeps tagged models."""
    entry = open_registry(folder).tag(model, tags)
    click.echo(f"{entry.id}: {' '.join(entry.tags)}")


@registry.command("untag")
@click.argument("model")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@folder_option
def untag_model(model: str, tags: tuple[str, ...], folder: Path) -> None:
    """Take tags from MODEL."""
    entry = open_registry(folder).untag(model, tags)
    click.echo(f"{entry.id}: {' '.join(entry.tags) or 'no tags'}")


@registry.command("lineage")
@click.argument("model")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@folder_option
@json_option
def show_lineage(model: str, as_mermaid: bool, folder: Path, as_json: bool) -> None:
    """The tree of models that MODEL comes from and that came of it."""
    from exphil_core.checkpoints.lineage import draw, lineage, mermaid, node_to_json, with_replays

    if as_mermaid and as_json:
        raise UsageError("--mermaid and --json contradict each other: give one")
    found = open_registry(folder)
    asked = found.get(model)
    nodes = with_replays(lineage(found.models(), asked), found.folder)
    if as_json:
        print_json({"id": asked.id, "nodes": [node_to_json(node) for node in nodes]})
        return
    fancy = (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo("\n".join(map(one_line, mermaid(nodes) if as_mermaid else draw(nodes, fancy=fancy))))


@registry.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--all", "everything", is_flag=True, help="Also show what is the same.")
@folder_option
@json_option
def compare_models(first: str, second: str, everything: bool, folder: Path, as_json: bool) -> None:
    """Settings, results and data of two models side by side; by default what differs."""
    from exphil_core.checkpoints.compare import compare, why_not_comparable
    from exphil_core.checkpoints.config_file import read_document

    found = open_registry(folder)
    one, other = found.get(first), found.get(second)
    documents = [read_document(found.folder, entry.config_path) for entry in (one, other)]
    rows, why_not = compare(*documents), why_not_comparable(*documents)
    if as_json:
        values = [{"section": r.section, "name": r.name, one.id: r.first, other.id: r.second} for r in rows]
        print_json({"models": [one.id, other.id], "not_comparable": why_not, "values": values})
        return
    print_table(
        ("section", "name", one.id, other.id),
        [
            (row.section, row.name, cell_text(row.first), cell_text(row.second))
            for row in rows
            if everything or row.differs
        ],
    )
    if why_not:
        click.echo(f"their losses don't compare: {why_not}")


for command in (verify_registry, rebuild_registry, restore_model, import_from):
    registry.add_command(command)
