"""`exphil backbones list` and `exphil characters list`."""

from __future__ import annotations

import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.melee.characters import CHARACTERS


@click.group()
def backbones() -> None:
    """Networks to choose from."""


@backbones.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_backbones(ctx: click.Context, as_json: bool) -> None:
    """Every backbone with its origin."""
    rows = [
        {
            "name": entry.spec.name,
            "temporal": entry.spec.temporal,
            "aliases": list(entry.spec.aliases),
            "origin": entry.origin.distribution,
            "summary": entry.spec.summary,
        }
        for entry in manager_of(ctx).registered("exphil_backbones")
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "temporal", "origin", "summary"),
        [(r["name"], "yes" if r["temporal"] else "no", r["origin"], r["summary"]) for r in rows],
    )


@click.group()
def characters() -> None:
    """Melee's characters and their features."""


@characters.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_characters(ctx: click.Context, as_json: bool) -> None:
    """Every character, other spellings, and the features that plugins add for it."""
    features = manager_of(ctx).registered("exphil_character_features")
    rows = [
        {
            "name": character.name,
            "title": character.title,
            "aliases": list(character.aliases),
            "features": [e.spec.name for e in features if character.name in e.spec.characters],
        }
        for character in CHARACTERS
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "character", "also", "features"),
        [(r["name"], r["title"], ", ".join(r["aliases"]), ", ".join(r["features"])) for r in rows],
    )
