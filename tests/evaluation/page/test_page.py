"""The page holds what it was given: whole, exact to what a pixel shows, and harmless."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.errors import ReplayError
from exphil_core.evaluation.page.columns import KINDS, column, values_of
from exphil_core.evaluation.page.page import as_text, page_of
from exphil_core.evaluation.page.view import view_of
from exphil_core.evaluation.page.write import shown_side
from exphil_core.evaluation.report import EvalReport
from exphil_core.evaluation.timeline import Timeline, timeline
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import AXIS_VALUES
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.items import ItemRows
from exphil_core.replays.slp import read_game

HOSTILE = '</script><img src=x onerror="alert(1)">&"\'\u2028\udcff'


@pytest.fixture(scope="module")
def line(manager: PluginManager, demo_games: list[Game]) -> Timeline:
    torch.manual_seed(1)
    policy = build_policy(manager, policy_shape("mlp", (8,), {}, observation_schema()))
    return timeline(policy, demo_games[0], 1, delay=1)


class _Page(HTMLParser):
    """The scripts and tags of a page, as a parser sees it that is none of ours."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self.tags[-1][0], []).append(data)

    def data(self) -> Any:
        (text,) = [text for text in self.texts["script"] if text.startswith("{")]
        return json.loads(text)


def test_the_report_comes_back_out_of_it(made_up_report: EvalReport, line: Timeline) -> None:
    page = _Page(page_of(made_up_report, line, file="a.slp"))
    assert page.data()["report"] == made_up_report.as_json()


def test_without_a_game_and_a_history_there_is_a_page_all_the_same(made_up_report: EvalReport) -> None:
    data = _Page(page_of(made_up_report)).data()
    assert (data["view"], data["history"]) == (None, [])


def test_the_history_keeps_only_numbers(made_up_report: EvalReport) -> None:
    history = [
        {"epoch": 1, "train_loss": float("nan"), "val_loss": 2.5, "rates": {"predicted": {}}, "lr": "x"}
    ]
    (epoch,) = _Page(page_of(made_up_report, history=history)).data()["history"]
    assert (epoch["epoch"], epoch["val_loss"], epoch["train_loss"], epoch["lr"]) == (1, 2.5, None, None)
    assert "rates" not in epoch


def test_names_stay_text_whatever_they_hold(made_up_report: EvalReport, line: Timeline) -> None:
    info = line.game.info
    players = tuple(attrs.evolve(player, tag=HOSTILE, code=HOSTILE) for player in info.players)
    game = attrs.evolve(line.game, info=attrs.evolve(info, players=players))
    report = attrs.evolve(
        made_up_report, model=attrs.evolve(made_up_report.model, id=HOSTILE), warnings=(HOSTILE,)
    )
    text = page_of(report, attrs.evolve(line, game=game), file=HOSTILE)
    page = _Page(text)
    tags = [tag for tag, _ in page.tags]
    assert "img" not in tags
    assert tags.count("script") == 2
    data = page.data()
    assert data["report"]["model"]["id"] == data["view"]["file"] == HOSTILE
    assert [fighter["tag"] for fighter in data["view"]["fighters"]] == [HOSTILE, HOSTILE]


def test_it_names_nothing_outside_of_itself(made_up_report: EvalReport, line: Timeline) -> None:
    page = _Page(page_of(made_up_report, line, file="a.slp"))
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "action"} & attributes.keys(), tag
    # The name of the namespace of SVG is no address that anything is asked of.
    assert set(re.findall(r"https?://[^\"]*", "".join(page.texts["script"]))) == {
        "http://www.w3.org/2000/svg"
    }
    assert not re.search(r"@import|url\(", "".join(page.texts["style"]))


def test_its_policy_allows_its_own_style_and_script_alone(made_up_report: EvalReport) -> None:
    page = _Page(page_of(made_up_report))
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    (script,) = [text for text in page.texts["script"] if not text.startswith("{")]
    for text in (script, *page.texts["style"]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_every_frame_comes_back_to_the_precision_of_a_pixel(line: Timeline) -> None:
    view, state = view_of(line, "a.slp"), line.game.state_TPF
    for fighter, stored in enumerate(view["fighters"]):
        for name, most in (("x", 0.026), ("y", 0.026), ("facing", 0), ("percent", 0), ("stocks", 0)):
            np.testing.assert_allclose(values_of(stored[name]), state[:, fighter, STATE[name]], atol=most)
        np.testing.assert_array_equal(values_of(stored["controller"]), line.game.controller_TPC[:, fighter])
        np.testing.assert_array_equal(values_of(stored["action"]), line.game.action_TP[:, fighter])
        airborne = values_of(stored["flags"]).astype(int) & 1
        np.testing.assert_array_equal(airborne, state[:, fighter, STATE["airborne"]])
    assert view["stage"]["title"] == line.game.info.stage.title
    assert view["axis"] == pytest.approx(AXIS_VALUES.tolist())


def test_the_models_chances_come_back_too(line: Timeline) -> None:
    model = view_of(line, "a.slp")["model"]
    nats = values_of(model["nats"])
    known = ~np.isnan(line.loss_TG)
    np.testing.assert_allclose(nats[known], np.minimum(line.loss_TG[known], 65.534), atol=0.0006)
    assert (nats[~known] == 65.535).all()
    examples = values_of(model["example"]).astype(bool)
    np.testing.assert_array_equal(examples, line.example_T)
    # What the page shows as the game's loss follows from the frames that it shows.
    assert nats[examples].sum(axis=1).mean() == pytest.approx(line.loss, abs=0.002)
    np.testing.assert_allclose(values_of(model["press"]), line.press_TB, atol=0.002)
    np.testing.assert_allclose(values_of(model["shoulder"]), line.shoulder_T, atol=0.002)
    for name, stick in (("main", line.main), ("c", line.c)):
        np.testing.assert_array_equal(values_of(model[name]["x"]), stick.x_TK)
        np.testing.assert_array_equal(values_of(model[name]["y"]), stick.y_TK)
        np.testing.assert_allclose(values_of(model[name]["chance"]), stick.chance_TK, atol=0.002)


def test_items_come_with_their_frames_and_owners(line: Timeline) -> None:
    items = line.game.items
    assert items.known
    stored = view_of(line, "a.slp")["items"]
    np.testing.assert_array_equal(values_of(stored["offset"]), items.offset)
    np.testing.assert_array_equal(values_of(stored["owner"]), items.owner)
    np.testing.assert_allclose(values_of(stored["x"]), items.x, atol=0.026)
    unknown = attrs.evolve(line.game, items=_unknown(items))
    assert view_of(attrs.evolve(line, game=unknown), "a.slp")["items"] is None


def _unknown(items: ItemRows) -> ItemRows:
    return attrs.evolve(items, known=False)


def test_a_partner_is_there_only_while_it_is(line: Timeline) -> None:
    game = line.game
    state = np.full((len(game), 2, game.state_TPF.shape[2]), np.nan, np.float32)
    state[100:200, 0] = game.state_TPF[100:200, 0]
    action = np.full((len(game), 2), -1, np.int16)
    with_partner = attrs.evolve(game, partner_state_TPF=state, partner_action_TP=action)
    ours, theirs = view_of(attrs.evolve(line, game=with_partner), "a.slp")["fighters"]
    assert theirs["partner"] is None
    assert values_of(ours["partner"]["there"]).nonzero()[0].tolist() == list(range(100, 200))


def test_a_character_that_changes_is_named_from_then_on(line: Timeline) -> None:
    characters = line.game.character_TP.copy()
    characters[:500, 0], characters[500:, 0] = 19, 7
    game = attrs.evolve(line.game, character_TP=characters)
    named = view_of(attrs.evolve(line, game=game), "a.slp")["fighters"][0]["characters"]
    assert named == [[0, "Zelda"], [500, "Sheik"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_clipped_and_never_wraps_around(kind: str) -> None:
    limits = np.iinfo(np.dtype(KINDS[kind]))
    back = values_of(column([1e12, -1e12, np.nan, np.inf, 3.4], kind))
    assert back.tolist() == [limits.max, limits.min, 0, limits.max, 3]
    assert values_of(column(np.zeros((3, 2)), kind)).shape == (3, 2)


def test_ten_minutes_are_a_few_megabytes(made_up_report: EvalReport, line: Timeline) -> None:
    """What a page costs to load is its size and its number of elements, of which frames make none."""
    text = page_of(made_up_report, line, file="a.slp")
    without = page_of(made_up_report, None)
    a_frame = (len(text) - len(without)) / len(line)
    assert a_frame * 36_000 < 5e6
    assert len(without) < 200_000


def test_a_human_is_shown_before_a_cpu_player(line: Timeline, made_up_report: EvalReport) -> None:
    row, info = made_up_report.games[0], line.game.info
    first, second = info.players
    cpu_first = (attrs.evolve(first, human=False), attrs.evolve(second, human=True))
    game = attrs.evolve(line.game, info=attrs.evolve(info, players=cpu_first))
    assert row.scored == (0, 1)
    assert shown_side(row, game) == 1
    assert shown_side(row, line.game) == 0
    assert shown_side(attrs.evolve(row, scored=(0,)), game) == 0


# Moving platforms, Randall, a changing stage, a partner, items, an old version without any.
REAL = ("FOD_3.16", "YS_3.19", "PS_3.18", "ics", "ylink", "zelda", "_2.0")


@pytest.mark.all_only
@pytest.mark.parametrize("part", REAL)
def test_real_games_of_every_kind_come_back(real_replays: Path, manager: PluginManager, part: str) -> None:
    found = _readable(real_replays, part)
    if found is None:
        pytest.skip(f"no game with {part} in its name")
    policy = build_policy(manager, policy_shape("mlp", (8,), {}, observation_schema()))
    view = view_of(timeline(policy, found, 0, delay=0), "a.slp")
    json.loads(as_text(view))
    for fighter, stored in enumerate(view["fighters"]):
        state = found.state_TPF[:, fighter]
        np.testing.assert_allclose(values_of(stored["x"]), state[:, STATE["x"]], atol=0.026)
        assert len(stored["characters"]) >= 1
    if found.platform_TS is not None:
        np.testing.assert_allclose(values_of(view["stage"]["heights"]), found.platform_TS, atol=0.026)
    if found.partner_state_TPF is not None:
        assert any(stored["partner"] for stored in view["fighters"])
    assert (view["stage"]["randall"] is not None) == (found.info.stage.short == "YS")
    assert (view["items"] is not None) == found.items.known


def _readable(folder: Path, part: str) -> Game | None:
    for path in sorted((folder / "more").glob("*.slp")) + sorted((folder / "games").glob("*.slp")):
        if part in path.name:
            try:
                return read_game(path)
            except ReplayError:
                continue
    return None
