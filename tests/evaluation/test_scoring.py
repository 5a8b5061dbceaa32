"""Every figure is what its definition says, computed anew from the logits, one decision after the other."""

from __future__ import annotations

import cmath
import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.evaluation import figures
from exphil_core.evaluation.baselines import prior_of
from exphil_core.evaluation.bins import PRESS, SURE
from exphil_core.evaluation.scoring import Scores, score
from exphil_core.evaluation.sums import Resampling
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior
from exphil_core.replays.controller import AXIS_VALUES, PARTS, decode
from exphil_core.replays.game import Game
from exphil_core.replays.items import no_items
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.rates import Shares
from exphil_core.training.samples import Windows
from exphil_core.training.validation import validate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def policy(make_policy: Callable[..., Policy]) -> Policy:
    return make_policy()


@pytest.fixture(scope="module")
def scores(policy: Policy, store: FrameStore) -> Scores:
    return score(policy, store, CPU, seed=5)


@pytest.fixture(scope="module")
def draw(scores: Scores) -> Resampling:
    return Resampling.drawn(scores.units["frames"][:, 0], samples=50, seed=0, level=0.95)


class Decision:
    """One decision: what the human did, did before, and the chances that the model gave to everything."""

    def __init__(self, human: Any, last: Any, chances: list[Any], game: int) -> None:
        self.human, self.last, self.chances, self.game = human, last, chances, game

    @property
    def changes(self) -> bool:
        return any(a != b for a, b in zip(self.human, self.last, strict=True))


@pytest.fixture(scope="module")
def decisions(policy: Policy, store: FrameStore) -> list[Decision]:
    def run() -> Iterator[Decision]:
        sides = store.sides
        for game, fighter, rows in zip(sides.game, sides.fighter, sides.rows, strict=True):
            batch = store.batch(Windows.single(game, fighter, 0, rows))
            tensors, seen = to_tensors(batch, CPU), {}
            policy.loss(
                tensors.floats, tensors.ids, tensors.decided, tensors.target, policy.initial_state(1),
                watch=lambda part, logits, seen=seen: seen.update({part: logits.double().softmax(1)}),
            )  # fmt: skip
            for t in np.flatnonzero(batch.counts[0]).tolist():
                yield Decision(
                    batch.target[0, t],
                    batch.decided[0, t],
                    [seen[part][t].numpy() for part in range(6)],
                    game,
                )

    with torch.no_grad():
        return list(run())


def test_losses_are_those_of_validation(
    policy: Policy, store: FrameStore, scores: Scores, draw: Resampling
) -> None:
    expected = validate(policy, store, prior_of(policy.head), CPU)
    model, repeat, marginal = (
        figures.losses(scores.units[name], scores.units["frames"], draw)
        for name in ("model", "repeat", "marginal")
    )
    assert model.all.value == pytest.approx(expected.val_loss, abs=1e-6)
    assert model.change.value == pytest.approx(expected.val_loss_change, abs=1e-6)
    assert {name: part.value for name, part in model.parts.items()} == pytest.approx(expected.parts, abs=1e-6)
    assert repeat.all.value == pytest.approx(expected.baseline_repeat, abs=1e-9)
    assert marginal.change.value == pytest.approx(expected.baseline_marginal_change, abs=1e-9)
    share = expected.change_frames / expected.frames
    assert model.hold.value == pytest.approx(
        (expected.val_loss - share * expected.val_loss_change) / (1 - share)
    )


def test_the_prior_in_the_weights_is_the_one_that_was_fitted(policy: Policy, prior: ControllerPrior) -> None:
    found = prior_of(policy.head)
    for ours, theirs in zip(found.marginals, prior.marginals, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-12)
    assert found.repeats == pytest.approx(prior.repeats, rel=1e-6)


def test_accuracy_counts_where_the_likeliest_values_are_the_human_s(
    decisions: list[Decision], scores: Scores, draw: Resampling
) -> None:
    found = figures.accuracies(scores.units, draw)
    for part, name in enumerate(PARTS):
        order = [np.argsort(-d.chances[part], kind="stable") for d in decisions]
        human = [d.human[part] for d in decisions]
        moved = [d.human[part] != d.last[part] for d in decisions]
        right = [o[0] == h for o, h in zip(order, human, strict=True)]
        top3 = [h in o[:3] for o, h in zip(order, human, strict=True)]
        assert found[name].accuracy.value == pytest.approx(np.mean(right))
        assert found[name].top3.value == pytest.approx(np.mean(top3))
        assert found[name].repeat.value == pytest.approx(1 - np.mean(moved))
        if any(moved):
            assert found[name].accuracy_change.value == pytest.approx(np.mean(np.array(right)[moved]))
            assert found[name].top3_change.value == pytest.approx(np.mean(np.array(top3)[moved]))


def test_calibration_bins_hold_every_decision(
    decisions: list[Decision], scores: Scores, draw: Resampling
) -> None:
    for part, (name, found) in enumerate(figures.calibrations(scores.units, draw).items()):
        assert name == PARTS[part]
        bins: dict[int, list[tuple[float, bool]]] = {}
        for d in decisions:
            sure = float(d.chances[part].max())
            place = sum(sure >= bound for bound in SURE[1:-1])
            bins.setdefault(place, []).append((sure, int(d.chances[part].argmax()) == d.human[part]))
        off = 0.0
        for place, each in enumerate(found.bins):
            inside = bins.get(place, [])
            # A chance within rounding of a bound may fall on either side of it.
            assert each.frames == pytest.approx(len(inside), abs=1)
            off += abs(sum(sure for sure, _ in inside) - sum(true for _, true in inside))
        assert found.ece.value == pytest.approx(off / len(decisions), abs=2e-3)
        assert sum(each.frames for each in found.bins) == len(decisions)


def test_presses_are_counted_where_a_button_goes_down(
    decisions: list[Decision], scores: Scores, draw: Resampling
) -> None:
    found = figures.button_edges(scores.units, draw)
    for button, name in enumerate(BUTTONS):
        holding = [chord for chord in range(256) if chord >> button & 1]
        up = [d for d in decisions if not decode(d.last)[5 + button]]
        down = np.array([bool(decode(d.human)[5 + button]) for d in up])
        chances = np.array([d.chances[0][holding].sum() for d in up])
        edges = found[name]
        assert edges.human_presses == sum(down)
        assert edges.human_per_minute.value == pytest.approx(sum(down) / len(decisions) * 3600)
        assert edges.model_per_minute.value == pytest.approx(sum(chances) / len(decisions) * 3600, rel=1e-4)
        if not down.any():
            assert edges.best_threshold is None
            continue

        def f1(threshold: float, down: Any = down, chances: Any = chances) -> float:
            said = chances >= threshold
            return 2 * (said & down).sum() / (said.sum() + down.sum())

        assert edges.f1.value == pytest.approx(f1(0.5))
        assert edges.best_f1.value == pytest.approx(max(f1(t) for t in PRESS[:-1]), abs=1e-3)
        assert f1(edges.best_threshold) == pytest.approx(edges.best_f1.value, abs=1e-3)


def test_rates_are_those_of_training(
    policy: Policy, store: FrameStore, scores: Scores, draw: Resampling
) -> None:
    expected: dict[str, Shares] = validate(policy, store, prior_of(policy.head), CPU).rates
    found = figures.press_rates(scores.units, draw)
    assert {name: rate.human.value for name, rate in found.items()} == pytest.approx(expected["actual"])
    assert {name: rate.model.value for name, rate in found.items()} == pytest.approx(
        expected["predicted"], abs=1e-5
    )


def test_repeating_a_stick_is_as_wrong_as_the_stick_moves(
    decisions: list[Decision], scores: Scores, draw: Resampling
) -> None:
    def at(cells: Any, part: int) -> complex:
        return complex(AXIS_VALUES[cells[part]], AXIS_VALUES[cells[part + 1]])

    for stick, part in (("main", 1), ("c", 3)):
        pairs = [(at(d.human, part), at(d.last, part)) for d in decisions]
        out = [(human, last) for human, last in pairs if human]
        degrees = [abs(math.degrees(cmath.phase(human / last))) for human, last in out if last]
        errors = figures.sticks(scores.units, scores.heat, draw)[stick].errors["repeat"]
        assert errors.all.degrees.value == pytest.approx(np.mean(degrees), abs=1e-5)
        assert errors.all.magnitude.value == pytest.approx(np.mean([abs(abs(h) - abs(p)) for h, p in out]))
        assert errors.all.missed.value == pytest.approx(np.mean([not p for _, p in out]))
        assert errors.all.strays.value == pytest.approx(np.mean([bool(p) for h, p in pairs if not h]))
        moves = [(h, p) for h, p in pairs if h != p and h and p]
        turned = np.mean([abs(math.degrees(cmath.phase(h / p))) for h, p in moves]) if moves else None
        assert errors.change.degrees.value == (turned and pytest.approx(turned, abs=1e-5))


def test_heat_maps_are_shares_of_all_frames(
    decisions: list[Decision], scores: Scores, draw: Resampling
) -> None:
    for stick, part in (("main", 1), ("c", 3)):
        heat = figures.sticks(scores.units, scores.heat, draw)[stick].heat
        human, model = np.array(heat.human), np.array(heat.model)
        assert human.sum() == pytest.approx(1)
        assert model.sum() == pytest.approx(1)
        middle = len(heat.centres) // 2
        resting = np.mean(
            [not AXIS_VALUES[d.human[part]] and not AXIS_VALUES[d.human[part + 1]] for d in decisions]
        )
        assert heat.centres[middle] == 0
        assert human[middle, middle] == pytest.approx(resting)
        up = np.mean([AXIS_VALUES[d.human[part + 1]] > 0 for d in decisions])
        assert human[middle + 1 :].sum() == pytest.approx(up)
        # What is drawn comes as often as its chances say, given what was drawn before it.
        left = np.mean([d.chances[part][AXIS_VALUES < 0].sum() for d in decisions])
        assert model[:, :middle].sum() == pytest.approx(left, abs=0.03)


def test_groups_split_the_same_decisions(scores: Scores, decisions: list[Decision]) -> None:
    total = scores.units["model"][:, 0].sum()
    for dimension in ("character", "opponent", "stage", "situation"):
        assert scores.units[dimension][..., 0].sum() == len(decisions)
        assert scores.units[dimension][..., 2].sum() == pytest.approx(total)


def test_a_game_s_sums_are_its_own(scores: Scores, decisions: list[Decision]) -> None:
    for game in range(4):
        ours = [d for d in decisions if d.game == game]
        if not ours:
            continue
        frames, changes = scores.games["frames"][game]
        assert (frames, changes) == (len(ours), sum(d.changes for d in ours))
        nats = -sum(math.log(d.chances[0][d.human[0]]) for d in ours)
        assert scores.games["model"][game, 0, GROUPS.index("buttons")] == pytest.approx(nats, rel=1e-4)


def short(game: Game) -> Game:
    """Its first 600 frames."""
    arrays = {
        name: getattr(game, name)[:600]
        for name in ("state_TPF", "action_TP", "character_TP", "controller_TPC")
    }
    return attrs.evolve(game, items=no_items(600), **arrays)


@pytest.mark.parametrize("backbone", ["mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid"])
def test_frame_by_frame_it_scores_as_at_once(
    make_policy: Callable[..., Policy], demo_games: list[Game], backbone: str
) -> None:
    policy, store = make_policy(backbone), build_store([short(demo_games[0])], [(0, 1)], delay=1)
    at_once, streamed = (score(policy, store, CPU, streaming=streaming) for streaming in (False, True))
    for name in ("model", "held", "frames"):
        np.testing.assert_allclose(streamed.units[name], at_once.units[name], rtol=1e-4, atol=1e-3)
    # Chances that are as good as equal may come out the other way round.
    for name in ("right", "top3", "drawn", "greedy"):
        frames = at_once.units["frames"][:, 0].sum()
        assert np.abs(streamed.units[name] - at_once.units[name]).max() <= 0.001 * frames


def test_whole_controllers_are_counted_where_all_parts_agree(
    decisions: list[Decision], scores: Scores, draw: Resampling, policy: Policy, store: FrameStore
) -> None:
    found = figures.whole_controller(scores.units, draw)
    changes = float(np.mean([d.changes for d in decisions]))
    assert found.human_changes.value == pytest.approx(changes)
    assert found.repeat.value == pytest.approx(1 - changes)
    # Part after part from the likeliest buttons on, which the chances given the human's parts tell of no other part.
    same = [int(d.chances[0].argmax()) == d.human[0] for d in decisions]
    assert found.greedy.value <= np.mean(same)
    # What is drawn is the human's as often as the model's chance of it says.
    likelihood = np.mean(
        [
            math.exp(sum(math.log(max(d.chances[part][d.human[part]], 1e-30)) for part in range(6)))
            for d in decisions
        ]
    )
    assert found.drawn.value == pytest.approx(likelihood, abs=0.02)
    # As sure as can be of the last controller, it never takes another.
    sure = copy.deepcopy(policy)
    for module in sure.head.copies:
        torch.nn.init.constant_(module.bias, 200)
    units = score(sure, store, CPU).units
    stuck = figures.whole_controller(units, draw)
    assert (stuck.greedy_changes.value, stuck.model_changes.value) == (0, 0)
    assert stuck.greedy.value == pytest.approx(stuck.repeat.value)
    assert stuck.greedy_change.value == 0


def test_the_seed_decides_what_is_drawn_and_nothing_else(
    policy: Policy, store: FrameStore, scores: Scores
) -> None:
    again, other = score(policy, store, CPU, seed=5), score(policy, store, CPU, seed=6)
    np.testing.assert_array_equal(again.heat, scores.heat)
    np.testing.assert_array_equal(again.units["model"], scores.units["model"])
    np.testing.assert_array_equal(other.units["model"], scores.units["model"])
    assert (other.heat != scores.heat).any()


def test_a_policy_in_training_stays_in_training(policy: Policy, store: FrameStore) -> None:
    policy.train()
    score(policy, store, CPU)
    assert policy.training
    policy.eval()
