"""Where a model comes from and what came of it. Missing parents and cycles are shown, never followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.config_file import read_document
from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.errors import ExphilError

MISSING, CYCLE = "not registered (any more)", "a cycle: it is its own ancestor"


@attrs.frozen(kw_only=True)
class Node:
    """One model in the tree. `entry` is None if `note` says MISSING; a node with a note has no children."""

    id: str
    depth: int
    parent: str | None
    relation: str  # ancestor, self or descendant
    entry: ModelEntry | None
    note: str = ""
    replays: int | None = None


def lineage(models: Iterable[ModelEntry], asked: ModelEntry) -> list[Node]:
    """The ancestors of `asked` from the oldest on, itself, and all descendants, each before its children."""
    by_id = {entry.id: entry for entry in models}
    above = _ancestors(by_id, asked)
    chain = [*reversed(above), Node(id=asked.id, depth=0, parent=None, relation="self", entry=asked)]
    nodes = [
        attrs.evolve(node, depth=depth, parent=chain[depth - 1].id if depth else None)
        for depth, node in enumerate(chain)
    ]
    return nodes + _descendants(by_id, asked, len(nodes))


def _ancestors(by_id: dict[str, ModelEntry], asked: ModelEntry) -> list[Node]:
    nodes: list[Node] = []
    seen, parent = {asked.id}, asked.parent_model
    while parent is not None:
        entry = by_id.get(parent)
        note = MISSING if entry is None else CYCLE if parent in seen else ""
        nodes.append(Node(id=parent, depth=0, parent=None, relation="ancestor", entry=entry, note=note))
        if entry is None or note:
            break
        seen.add(parent)
        parent = entry.parent_model
    return nodes


def _descendants(by_id: dict[str, ModelEntry], asked: ModelEntry, depth: int) -> list[Node]:
    children: dict[str, list[ModelEntry]] = {}
    for entry in by_id.values():
        if entry.parent_model is not None:
            children.setdefault(entry.parent_model, []).append(entry)

    nodes: list[Node] = []
    waiting = [(child, depth) for child in reversed(children.get(asked.id, []))]
    while waiting:
        entry, level = waiting.pop()
        # Each has one parent, so going down can only ever close a circle at the start.
        note = CYCLE if entry.id == asked.id else ""
        nodes.append(
            Node(
                id=entry.id,
                depth=level,
                parent=entry.parent_model,
                relation="descendant",
                entry=entry,
                note=note,
            )
        )
        if not note:
            waiting += [(child, level + 1) for child in reversed(children.get(entry.id, []))]
    return nodes


def with_replays(nodes: Iterable[Node], folder: Path) -> list[Node]:
    """The nodes with the number of games that each was trained on, from the config files."""
    return [node if node.entry is None else _counted(node, node.entry, folder) for node in nodes]


def _counted(node: Node, entry: ModelEntry, folder: Path) -> Node:
    try:
        count = read_document(folder, entry.config_path)["data"]["replays"]
    except (ExphilError, OSError, KeyError, TypeError):
        return node
    return attrs.evolve(node, replays=count) if type(count) is int else node


def node_to_json(node: Node) -> dict[str, Any]:
    """One node of the tree, for scripts."""
    entry = node.entry
    return {
        "id": node.id,
        "relation": node.relation,
        "depth": node.depth,
        "parent": node.parent,
        "note": node.note,
        "training_type": entry.training_type if entry else None,
        "epochs": entry.epochs if entry else None,
        "inherited_epochs": entry.inherited_epochs if entry else None,
        "total_epochs": entry.total_epochs if entry else None,
        "replays": node.replays,
        "val_loss": entry.val_loss if entry else None,
        "tags": list(entry.tags) if entry else [],
        "archived": entry.archived if entry else False,
    }


def facts(node: Node) -> list[str]:
    """What a drawing says of a node besides its id."""
    if node.note or node.entry is None:
        return [node.note]
    entry = node.entry
    said = [entry.training_type.replace("_", "-"), _count(entry.epochs, "epoch")]
    if entry.inherited_epochs:
        said[-1] += f" after {entry.inherited_epochs}"
    if node.replays is not None:
        said.append(_count(node.replays, "replay"))
    if entry.val_loss is not None:
        said.append(f"val_loss {entry.val_loss:.4f}")
    if entry.archived:
        said.append("archived")
    if entry.tags:
        said.append(f"tags: {' '.join(entry.tags)}")
    return said


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def draw(nodes: Sequence[Node], fancy: bool = True) -> list[str]:
    """The tree as lines of text, the asked model marked with `*`; `fancy` uses box-drawing characters."""
    bar, tee, corner = ("│  ", "├─ ", "└─ ") if fancy else ("|  ", "|- ", "`- ")
    last = _last_children(nodes)
    open_levels: list[bool] = []
    lines = []
    for index, node in enumerate(nodes):
        del open_levels[max(node.depth - 1, 0) :]
        prefix = "".join(bar if still else "   " for still in open_levels)
        if node.depth:
            prefix += corner if last[index] else tee
            open_levels.append(not last[index])
        mark = "* " if node.relation == "self" else ""
        lines.append(f"{prefix}{mark}{node.id}  ({', '.join(facts(node))})")
    return lines


def _last_children(nodes: Sequence[Node]) -> list[bool]:
    """For each node, whether no later node hangs on the same parent."""
    last = [False] * len(nodes)
    seen_at: set[int] = set()
    for index in range(len(nodes) - 1, -1, -1):
        depth = nodes[index].depth
        last[index] = depth not in seen_at
        seen_at = {level for level in seen_at if level < depth} | {depth}
    return last


def mermaid(nodes: Sequence[Node]) -> list[str]:
    """The tree as a Mermaid flowchart."""
    lines = ["graph TD"]
    names: Callable[[int], str] = "m{}".format
    stack: list[int] = []
    for index, node in enumerate(nodes):
        del stack[node.depth :]
        label = "<br/>".join(_escaped(text) for text in (node.id, *facts(node)))
        lines.append(f'  {names(index)}["{label}"]')
        if stack:
            lines.append(f"  {names(stack[-1])} --> {names(index)}")
        if node.relation == "self":
            lines.append(f"  style {names(index)} stroke-width:3px")
        stack.append(index)
    return lines


def _escaped(text: str) -> str:
    for character, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, code)
    return text
