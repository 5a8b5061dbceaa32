"""Which models are best: ranked by `val_loss`, only among those scored on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from exphil_core.checkpoints.entry import ModelEntry

Terms = tuple[str, int, str]  # observation schema, delay, digest of the held-out games


@attrs.frozen(kw_only=True)
class Ranking:
    """`ranked` from best to worst, all on the same `terms`; `apart` with the reason for each."""

    terms: Terms | None
    ranked: tuple[ModelEntry, ...]
    apart: tuple[tuple[ModelEntry, str], ...]


def terms_of(entry: ModelEntry) -> Terms | None:
    """What must be equal for two losses to compare; None where the entry doesn't say."""
    if entry.schema is None or entry.delay is None or entry.validation_games is None:
        return None
    return entry.schema, entry.delay, entry.validation_games


def rank(models: Iterable[ModelEntry], terms: Terms | None = None) -> Ranking:
    """Rank by `val_loss` the models on `terms`: by default those of the largest comparable group, the newest
    one if two are equally large."""
    models = list(models)
    terms = terms or _common_terms(models)
    ranked, apart = [], []
    for entry in models:
        reason = _why_apart(entry, terms)
        if reason:
            apart.append((entry, reason))
        else:
            ranked.append(entry)
    return Ranking(terms=terms, ranked=tuple(sorted(ranked, key=_by_loss)), apart=tuple(apart))


def _by_loss(entry: ModelEntry) -> tuple[float, str, str]:
    assert entry.val_loss is not None  # _why_apart sets the others apart
    return entry.val_loss, entry.created_at, entry.id


def _common_terms(models: Sequence[ModelEntry]) -> Terms | None:
    groups: dict[Terms, tuple[int, str]] = {}
    for entry in models:
        terms = terms_of(entry)
        if terms is not None and entry.val_loss is not None:
            size, newest = groups.get(terms, (0, ""))
            groups[terms] = size + 1, max(newest, entry.created_at)
    return max(groups, key=lambda terms: (groups[terms], terms)) if groups else None


def _why_apart(entry: ModelEntry, terms: Terms | None) -> str | None:
    if entry.val_loss is None:
        return "has no val_loss"
    own = terms_of(entry)
    if own is None or terms is None:
        missing = [name for name in ("schema", "delay", "validation_games") if getattr(entry, name) is None]
        return f"doesn't say its {' and '.join(missing)}"
    differences = [
        f"{what} {mine}, not {theirs}"
        for what, mine, theirs in zip(("schema", "delay", "held-out games"), own, terms, strict=True)
        if mine != theirs
    ]
    return "; ".join(differences) or None


def leaderboard(models: Sequence[ModelEntry]) -> dict[str, Any]:
    """The ids of the best models, as the registry stores them. Archived models don't compete.

    The best of a backbone or character is sought among those comparable with the best overall; where there are
    none, since characters rarely share held-out games, among its own largest comparable group.
    """
    active = [entry for entry in models if not entry.archived]
    terms = _common_terms(active)
    return {
        "best_overall": _best(active, terms),
        "best_by_backbone": _best_by(active, terms, lambda entry: entry.backbone),
        "best_by_character": _best_by(active, terms, lambda entry: entry.character or "any"),
    }


def _best(models: Sequence[ModelEntry], terms: Terms | None) -> str | None:
    # What `rank(models, terms).ranked[0]` is, without giving reasons.
    ranked = [entry for entry in models if entry.val_loss is not None and terms_of(entry) == terms]
    return min(ranked, key=_by_loss).id if ranked and terms is not None else None


def _best_by(
    models: Iterable[ModelEntry], terms: Terms | None, key: Callable[[ModelEntry], str]
) -> dict[str, str]:
    groups: dict[str, list[ModelEntry]] = {}
    for entry in models:
        groups.setdefault(key(entry), []).append(entry)
    bests = {
        name: _best(group, terms) or _best(group, _common_terms(group))
        for name, group in sorted(groups.items())
    }
    return {name: best for name, best in bests.items() if best is not None}
