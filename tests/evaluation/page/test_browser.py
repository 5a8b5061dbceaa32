"""The page in a real browser: silent, offline, legible at any width and in the dark, and moved by mouse and keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.evaluation.page.page import page_of
from exphil_core.evaluation.report import Bin, EvalReport
from exphil_core.evaluation.timeline import StickChances, Timeline, timeline
from exphil_core.features.schema import observation_schema
from exphil_core.melee import FIRST_FRAME
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.items import no_items

pytestmark = pytest.mark.all_only

HOSTILE = "<img src=x onerror=\"document.title='run'\">&amp;'"
FEW_ELEMENTS = 4000
WIDE, NARROW = {"width": 1240, "height": 900}, {"width": 400, "height": 800}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def line(manager: PluginManager, demo_games: list[Game]) -> Timeline:
    torch.manual_seed(1)
    policy = build_policy(manager, policy_shape("mlp", (8,), {}, observation_schema()))
    for module in policy.head.logits:
        torch.nn.init.normal_(module.weight, std=0.3)
    return timeline(policy, demo_games[0], 1, delay=1)


@pytest.fixture(scope="module")
def page_file(made_up_report: EvalReport, line: Timeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    history = [
        {
            "epoch": n,
            "train_loss": 2.0 / n,
            "val_loss": 2.2 / n,
            "val_loss_change": 4.0 / n,
            "baseline_repeat": 2.9,
        }
        for n in (1, 2, 3)
    ]
    first, second, *more = made_up_report.games
    # Two folders may each have a file of this name.
    games = (
        attrs.evolve(first, file=second.file),
        attrs.evolve(second, game=line.game.info.game_hash),
        *more,
    )
    report = attrs.evolve(made_up_report, games=games)
    page = page_of(report, line, file=second.file, history=history)
    return _written(tmp_path_factory.mktemp("page"), page)


def _written(folder: Path, text: str) -> Path:
    path = folder / "eval.html"
    path.write_bytes(text.encode())
    return path


def frame_of(page: Any) -> int:
    return int(page.input_value("#frame"))


def go_to(page: Any, frame: int) -> None:
    page.evaluate(
        "at => { const s = document.getElementById('frame'); s.value = at; s.dispatchEvent(new Event('input')) }",
        frame,
    )


def until(page: Any, condition: str) -> None:
    """Wait for it. Playwright's own way to wait evaluates text in the page, which the page's policy forbids."""
    for _ in range(1000):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came true: {condition}")


def test_its_figures_are_those_of_the_report(
    opened: Open, page_file: Path, made_up_report: EvalReport
) -> None:
    page = opened(page_file)
    assert page.inner_text("h1") == made_up_report.model.id
    assert page.locator(".tile .value").first.inner_text() == "1.400"
    assert made_up_report.warnings[0] in page.inner_text("main")
    assert page.locator("tr.shown").inner_text().split()[:2] == ["2", made_up_report.games[1].file]
    headings = page.locator("h2").all_inner_texts()
    assert len(headings) == 8
    assert page.locator("svg[role=img]").count() > 20


def test_each_frame_shows_what_the_timeline_says(opened: Open, page_file: Path, line: Timeline) -> None:
    page = opened(page_file)
    for frame in (200, 700, 1100):
        go_to(page, frame)
        shown = [
            float(text.removesuffix(" %"))
            for text in page.locator(".chances > :nth-child(3n)").all_inner_texts()
        ]
        losses = [*line.loss_TG[frame], line.loss_TG[frame].sum()]
        for percent, nats in zip(shown, losses, strict=True):
            assert percent == pytest.approx(100 * math.exp(-nats), abs=0.6)
        cards = page.locator(".player .percent").all_inner_texts()
        assert cards == [f"{line.game.state_TPF[frame, p, STATE['percent']]:.0f} %" for p in (0, 1)]
        assert f"frame {frame + FIRST_FRAME} of" in page.inner_text(".transport .at")
    go_to(page, 0)
    assert "not predicted" in page.inner_text(".viewer")


def test_every_picture_follows_the_frame(opened: Open, page_file: Path, line: Timeline) -> None:
    page = opened(page_file)
    names = ("stage", "pad", "roll", "overview")

    def pictures() -> list[str]:
        return [page.evaluate(f"document.querySelector('canvas.{name}').toDataURL()") for name in names]

    moments = []
    for frame in (300, 301 + len(line) // 2):
        go_to(page, frame)
        moments.append(pictures())
    for name, before, after in zip(names, *moments, strict=True):
        assert before != after, name
    go_to(page, 300)
    assert pictures() == moments[0]


@pytest.mark.parametrize(
    ("key", "by"),
    [
        ("ArrowRight", 1), ("ArrowLeft", -1), ("Shift+ArrowRight", 10), ("Shift+ArrowLeft", -10),
        ("PageDown", 60), ("PageUp", -60),
    ],
)  # fmt: skip
def test_keys_move_by_frames(opened: Open, page_file: Path, key: str, by: int) -> None:
    page = opened(page_file)
    go_to(page, 500)
    page.focus("#frame")
    page.keyboard.press(key)
    assert frame_of(page) == 500 + by


def test_keys_go_to_the_ends_and_no_further(opened: Open, page_file: Path, line: Timeline) -> None:
    page = opened(page_file)
    page.focus("#frame")
    for keys, frame in (
        (("End",), len(line) - 1),
        (("ArrowRight",), len(line) - 1),
        (("Home",), 0),
        (("ArrowLeft",), 0),
    ):
        for key in keys:
            page.keyboard.press(key)
        assert frame_of(page) == frame


def test_arrows_work_from_anywhere_on_the_page(opened: Open, page_file: Path) -> None:
    page = opened(page_file)
    go_to(page, 500)
    page.keyboard.press("ArrowRight")
    assert frame_of(page) == 501
    # Where an arrow has a meaning of its own it keeps that.
    page.focus("#measure")
    page.keyboard.press("ArrowRight")
    assert frame_of(page) == 501


def test_surprises_are_frames_that_the_model_expected_least(
    opened: Open, page_file: Path, line: Timeline
) -> None:
    page = opened(page_file)
    nats = line.loss_TG.sum(axis=1)
    enough = np.quantile(nats[line.example_T], 0.95)
    go_to(page, 0)
    seen = []
    for _ in range(3):
        page.keyboard.press("n")
        seen.append(frame_of(page))
    assert sorted(set(seen)) == seen
    assert all(nats[frame] >= enough for frame in seen)
    page.keyboard.press("p")
    assert frame_of(page) == seen[1]


def test_the_mouse_scrubs_the_whole_game(opened: Open, page_file: Path, line: Timeline) -> None:
    page = opened(page_file)
    strip = page.locator("canvas.overview")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + box["width"] * 0.25, y)
    assert frame_of(page) == pytest.approx(0.25 * (len(line) - 1), abs=4)
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, y, steps=5)
    page.mouse.up()
    assert frame_of(page) == pytest.approx(0.75 * (len(line) - 1), abs=4)
    page.mouse.move(box["x"] + 5, y)  # no button, no scrubbing
    assert frame_of(page) == pytest.approx(0.75 * (len(line) - 1), abs=4)


def test_dragging_the_film_pulls_it_along_and_a_click_goes_there(opened: Open, page_file: Path) -> None:
    page = opened(page_file)
    for name in ("stage", "roll"):
        go_to(page, 600)
        strip = page.locator(f"canvas.{name}")
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] - 60, middle[1], steps=4)
        page.mouse.up()
        assert 605 < frame_of(page) < 660, name
    go_to(page, 600)
    page.mouse.click(middle[0] + 200, middle[1])
    assert 605 < frame_of(page) < 680


def test_it_plays_and_pauses(opened: Open, page_file: Path) -> None:
    page = opened(page_file)
    go_to(page, 300)
    button = page.get_by_role("button", name="Play", exact=True)
    button.click()
    until(page, "Number(document.getElementById('frame').value) > 310")
    page.keyboard.press("k")
    at = frame_of(page)
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert frame_of(page) == at


def test_it_stops_at_the_end_and_starts_again_from_the_beginning(
    opened: Open, page_file: Path, line: Timeline
) -> None:
    page = opened(page_file)
    page.select_option("select[aria-label=speed]", "4")
    go_to(page, len(line) - 5)
    page.keyboard.press("k")
    until(page, "document.querySelector('button.main').textContent === 'Play'")
    assert frame_of(page) == len(line) - 1
    page.keyboard.press("k")
    until(page, "document.querySelector('button.main').textContent === 'Pause'")
    assert frame_of(page) < len(line) - 1


# The contrast (WCAG 2) of every piece of text with what lies behind it, the least first.
CONTRASTS = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const linear = (v) => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const c = parse(getComputedStyle(node).backgroundColor);
      if (c[3] > 0) return c;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const node of document.querySelectorAll('main *')) {
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!words || !node.getClientRects().length) continue;
    const style = getComputedStyle(node), own = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(parse(own)), light(behind(node))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.textContent.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(opened: Open, page_file: Path, scheme: str) -> None:
    page = opened(page_file, scheme=scheme)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 300
    least, text = contrasts[0]
    assert least >= 4.5, text


def test_the_dark_page_is_dark_its_pictures_too(opened: Open, page_file: Path) -> None:
    page = opened(page_file)

    def brightness() -> tuple[float, float]:
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        corner = page.evaluate(
            "(() => { const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });"
            " copy.drawImage(document.querySelector('canvas.roll'), 0, 0);"
            " return [...copy.getImageData(200, 1, 1, 1).data].slice(0, 3); })()"
        )
        return sum(ground) / 3, sum(corner) / 3

    go_to(page, 500)
    assert min(brightness()) > 200
    page.emulate_media(color_scheme="dark")
    until(page, "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((v) => v < 60)")
    page.wait_for_timeout(50)  # the pictures are drawn by the same event
    assert max(brightness()) < 60


@pytest.mark.parametrize(
    "viewport", [NARROW, {"width": 320, "height": 700}, WIDE], ids=lambda v: str(v["width"])
)
def test_nothing_hangs_out_on_the_side(opened: Open, page_file: Path, viewport: dict[str, int]) -> None:
    page = opened(page_file, viewport=viewport)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    outside = page.evaluate(
        "width => [...document.querySelectorAll('main *')].filter((node) => !node.closest('.scroll, svg, details')"
        " && node.getBoundingClientRect().right > width + 0.5).map((node) => node.outerHTML.slice(0, 80))",
        viewport["width"],
    )
    assert outside == []


def test_everything_that_can_be_used_has_a_name_and_can_be_reached_by_keys(
    opened: Open, page_file: Path
) -> None:
    page = opened(page_file)
    names = page.evaluate(
        "[...document.querySelectorAll('button, select, input, canvas, svg[role=img]')].map((node) =>"
        " node.getAttribute('aria-label') || (node.labels && node.labels[0] && node.labels[0].textContent)"
        " || node.textContent.trim())"
    )
    assert all(names)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
            )
        )
    assert {"frame", "Play", "one frame back", "next surprise", "speed"} <= reached
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_another_measure_draws_the_groups_anew(opened: Open, page_file: Path) -> None:
    page = opened(page_file)
    chart = page.locator("svg[aria-label='By situation']")
    assert "1.400" in chart.inner_html()
    page.select_option("#measure", "main_accuracy")
    until(page, "!document.querySelector('svg[aria-label=\"By situation\"]')?.innerHTML.includes('1.400')")
    assert "60 %" in chart.inner_html()


def test_a_heat_map_says_what_lies_under_the_mouse(opened: Open, page_file: Path) -> None:
    page = opened(page_file)
    heat = page.locator("canvas.heat").first
    heat.scroll_into_view_if_needed()
    box = heat.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    read = page.locator(".read").first.inner_text()
    assert "x 0.00, y 0.00: players 60.00 %, model 50.00 % of frames" in read


def test_hostile_names_are_shown_and_not_run(
    opened: Open, made_up_report: EvalReport, line: Timeline, tmp_path: Path
) -> None:
    info = line.game.info
    players: Any = tuple(attrs.evolve(player, tag=HOSTILE) for player in info.players)
    game = attrs.evolve(line.game, info=attrs.evolve(info, players=players))
    report = attrs.evolve(
        made_up_report,
        model=attrs.evolve(made_up_report.model, id=HOSTILE),
        games=(attrs.evolve(made_up_report.games[0], file=HOSTILE),),
        warnings=(HOSTILE,),
    )
    page = opened(_written(tmp_path, page_of(report, attrs.evolve(line, game=game), file=HOSTILE)))
    assert page.title() == f"{HOSTILE}: evaluation"
    assert page.inner_text("h1") == HOSTILE
    assert page.locator(".player", has_text=HOSTILE).count() == 2
    assert page.locator("td", has_text=HOSTILE).count() == 1
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("unknown", [("low", "high"), ("low", "high", "value")], ids=["intervals", "values"])
def test_an_evaluation_without_a_game_that_knows_little_is_a_page_all_the_same(
    opened: Open, made_up_report: EvalReport, tmp_path: Path, unknown: tuple[str, ...]
) -> None:
    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: None if name in unknown and "frames" not in value else without(inner)
                for name, inner in value.items()
            }
        return [without(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    class Bare:
        model = made_up_report.model

        def as_json(self) -> Any:
            return {**without(made_up_report.as_json()), "breakdown": {}}

    bare: Any = Bare()
    page = opened(_written(tmp_path, page_of(bare)))
    assert page.locator("#frame").count() == 0
    assert page.locator("h2").count() == 5


def test_chances_of_next_to_nothing_fit_beside_their_axis(
    opened: Open, made_up_report: EvalReport, tmp_path: Path
) -> None:
    """A button that nobody presses has chances of some 1e-5."""
    rare = Bin(low=0.0, high=2e-5, frames=500, chance=1.1e-5, came_true=0.0)
    tiny = attrs.evolve(made_up_report.press_calibration["A"], bins=(rare,))
    report = attrs.evolve(made_up_report, press_calibration={"A": tiny})
    page = opened(_written(tmp_path, page_of(report)))
    outside = page.evaluate(
        "[...document.querySelectorAll('svg text')].filter((node) => node.getBoundingClientRect().left"
        " < node.closest('svg').getBoundingClientRect().left - 1).map((node) => node.textContent)"
    )
    assert outside == []


def test_ten_minutes_make_no_more_elements_than_one(
    opened: Open, made_up_report: EvalReport, line: Timeline, page_file: Path, tmp_path: Path
) -> None:
    """What a page costs to load is its size and its elements: frames are numbers and no elements."""
    count = "document.querySelectorAll('*').length"
    short = opened(page_file).evaluate(count)
    history: Any = [{"epoch": 1, "val_loss": 2.0, "val_loss_change": 3.0}]
    path = _written(tmp_path, page_of(made_up_report, ten_minutes(line), file="long.slp", history=history))
    assert path.stat().st_size < 6e6
    page = opened(path)
    assert page.evaluate(count) <= short < FEW_ELEMENTS
    page.focus("#frame")
    page.keyboard.press("End")
    assert frame_of(page) == 36_000 - 1


def ten_minutes(line: Timeline) -> Timeline:
    """The same frames again and again, 36,000 of them."""

    def longer(array: Any) -> Any:
        return array[np.arange(36_000) % len(line)]

    game = attrs.evolve(
        line.game,
        **{
            name: longer(getattr(line.game, name))
            for name in ("state_TPF", "action_TP", "character_TP", "controller_TPC")
        },
        items=no_items(36_000),
        platform_TS=None,
        form_T=None,
    )
    arrays = {
        name: longer(getattr(line, name)) for name in ("example_T", "loss_TG", "press_TB", "shoulder_T")
    }
    sticks = {
        name: StickChances(
            **{field.name: longer(getattr(stick, field.name)) for field in attrs.fields(StickChances)}
        )
        for name, stick in (("main", line.main), ("c", line.c))
    }
    return attrs.evolve(line, game=game, **arrays, **sticks)
