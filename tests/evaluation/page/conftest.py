"""An evaluation with made-up figures, for whatever shows one, and a browser to look at its page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exphil_core.evaluation.report import (
    Bin,
    Bootstrap,
    ButtonEdges,
    Calibration,
    DataFacts,
    Estimate,
    EvalReport,
    GameRow,
    Group,
    HeatMap,
    Losses,
    ModelFacts,
    PartAccuracy,
    Rate,
    Stick,
    StickError,
    StickErrors,
    WholeController,
)
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.prior import GROUPS
from exphil_core.replays.controller import PARTS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
WINDOW = {"width": 1240, "height": 900}


def estimate(value: float, spread: float = 0.1) -> Estimate:
    return Estimate(value, value * (1 - spread), value * (1 + spread))


def losses(whole: float) -> Losses:
    parts = dict(zip(GROUPS, (estimate(whole * share) for share in (0.1, 0.8, 0.07, 0.03)), strict=True))
    more = {name: estimate((each.value or 0) * 2.5) for name, each in parts.items()}
    return Losses(
        all=estimate(whole),
        change=estimate(2.5 * whole),
        hold=estimate(whole / 3),
        parts=parts,
        parts_change=more,
    )


def calibration(most: float) -> Calibration:
    edges = np.linspace(0, most, 11)
    bins = [
        Bin(
            low=float(low),
            high=float(high),
            frames=1000 // (i + 1),
            chance=float((low + high) / 2),
            came_true=float((low + high) / 2.2),
        )
        for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True))
    ]
    empty = Bin(low=float(edges[-2]), high=most, frames=0, chance=None, came_true=None)
    return Calibration(ece=estimate(0.02), bins=(*bins[:-1], empty))


def heat_map() -> HeatMap:
    centres = np.linspace(-1, 1, 33)
    radius = np.hypot(centres[:, None], centres)
    spread = np.exp(-(((radius - 0.95) / 0.1) ** 2)) * (radius <= 1.02)
    shares = []
    for rest in (0.6, 0.5):
        share = (1 - rest) * spread / spread.sum()
        share[16, 16] = rest
        shares.append(tuple(map(tuple, share.tolist())))
    return HeatMap(centres=tuple(centres.tolist()), human=shares[0], model=shares[1])


def group(title: str, frames: int) -> Group:
    return Group(
        name=title.lower(), title=title, games=3, frames=frames, change_frames=frames // 3,
        loss=estimate(1.4), loss_change=estimate(3.8), repeat=estimate(2.2), gain=estimate(-0.8),
        parts={name: estimate(0.3) for name in GROUPS}, buttons_accuracy=estimate(0.9, 0.02),
        main_accuracy=estimate(0.6),
    )  # fmt: skip


def game_row(file: str, loss: float, frames: int = 3000, trained_on: bool | None = False) -> GameRow:
    return GameRow(
        game=f"{abs(hash(file)):064x}"[:64], file=file, stage="Battlefield", players=("Fox", "Falco"), scored=(0, 1),
        trained_on=trained_on, frames=frames, change_frames=frames // 3, loss=loss, loss_change=3 * loss,
        repeat=2.9, parts=dict.fromkeys(GROUPS, loss / 4),
    )  # fmt: skip


@pytest.fixture(scope="session")
def made_up_report() -> EvalReport:
    """Every field filled, most of them with something plausible."""
    error = StickError(
        degrees=estimate(21.0), magnitude=estimate(0.1), missed=estimate(0.08), strays=estimate(0.04)
    )
    errors = dict.fromkeys(("greedy", "drawn", "repeat"), StickErrors(all=error, change=error))
    none = Estimate(None)
    accuracy = PartAccuracy(
        accuracy=estimate(0.9, 0.02), top3=estimate(0.97, 0.01), accuracy_change=estimate(0.2),
        top3_change=estimate(0.5), repeat=estimate(0.85, 0.02), change_share=estimate(0.15),
    )  # fmt: skip
    edges = ButtonEdges(
        human_presses=120, precision=estimate(0.5), recall=estimate(0.2), f1=estimate(0.29), best_f1=estimate(0.4),
        best_threshold=0.2, human_per_minute=estimate(30), model_per_minute=estimate(28),
    )  # fmt: skip
    nobody = ButtonEdges(
        human_presses=0, precision=none, recall=none, f1=none, best_f1=none, best_threshold=None,
        human_per_minute=estimate(0), model_per_minute=estimate(0.1),
    )  # fmt: skip
    rates = [
        *BUTTONS,
        *(f"{s} {way}" for s in ("main", "c") for way in ("left", "right", "down", "up")),
        "shoulder",
    ]
    return EvalReport(
        model=ModelFacts(
            id="fox/gru_20260119_123456", file="gru_policy.safetensors", backbone="gru", hidden_sizes=(64, 64),
            parameters=123_456, delay=2, character="fox", features=(), epochs=3, registered_val_loss=1.4,
        ),
        data=DataFacts(
            games=3, sides=6, frames=9000, change_frames=3000, trained_on=0, held_out_only=False, character=None,
            left_out={},
        ),
        bootstrap=Bootstrap(samples=1000, seed=0, level=0.95, units=256),
        losses={"model": losses(1.4), "repeat": losses(2.9), "marginal": losses(4.6)},
        gain=losses(-1.5),
        controller=WholeController(
            greedy=estimate(0.6), greedy_change=estimate(0.1), drawn=estimate(0.5), drawn_change=estimate(0.08),
            repeat=estimate(0.65), human_changes=estimate(0.35), model_changes=estimate(0.3),
        ),
        accuracy=dict.fromkeys(PARTS, accuracy),
        buttons=dict.fromkeys(BUTTONS, edges) | {"D_UP": nobody},
        rates={
            name: Rate(human=estimate(0.05 + 0.01 * i), model=estimate(0.04 + 0.01 * i))
            for i, name in enumerate(rates)
        },
        sticks=dict.fromkeys(("main", "c"), Stick(errors=errors, heat=heat_map())),
        calibration=dict.fromkeys(PARTS, calibration(1.0)),
        press_calibration=dict.fromkeys(BUTTONS, calibration(0.2)),
        breakdown={
            "character": (group("Fox", 6000), group("Falco", 3000)),
            "opponent": (group("Falco", 6000), group("Fox", 3000)),
            "stage": (group("Battlefield", 9000),),
            "situation": (group("neutral", 7000), group("advantage", 1200), group("edge-guard", 800)),
        },
        games=(game_row("a/bad.slp", 2.0), game_row("a/middling.slp", 1.5), game_row("a/good.slp", 0.7)),
        warnings=("few games: intervals are wide",),
        seconds=12.0,
        exphil_core="0.1.0",
        created_at="2026-11-26T12:00:00Z",
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page without a network; afterwards it must have said nothing and asked for nothing but itself."""
    complaints: list[str] = []
    contexts = []

    def open_it(path: Path, viewport: dict[str, int] = WINDOW, scheme: str = "light") -> Any:
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url == path.as_uri() or complaints.append(asked.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []
