"""Each hook has a page whose signature, fields and example are the code's; each example works."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest

from exphil_core import FeatureColumn, hookspecs
from exphil_core.plugin_manager import HOOKS, PluginManager, Provenance, load_plugins

PAGES = Path(__file__).resolve().parents[2] / "docs" / "hooks"
EXAMPLES = PAGES / "examples"
# hook -> the module that a plugin's entry point would name
MODULES = {
    "exphil_backbones": "leaky_backbone.plugin",
    "exphil_presets": "fox_dittos",
    "exphil_character_features": "ledge_time.plugin",
    "exphil_naming_schemes": "weekly_names",
    "exphil_pruning_strategies": "keep_daily",
    "exphil_loggers": "csv_log",
    "exphil_exporters": "npz_weights",
}
_QUOTED = re.compile(r"^\*\*`([^`]+)`\*\*\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(hook: str) -> str:
    return (PAGES / f"{hook}.md").read_text(encoding="utf-8")


def quoted(hook: str) -> dict[str, str]:
    """The files that the page shows, by path."""
    return dict(_QUOTED.findall(page(hook)))


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {module.split(".")[0] for module in MODULES.values()}:
            del sys.modules[name]


def loaded(hook: str, monkeypatch: pytest.MonkeyPatch) -> tuple[PluginManager, Any]:
    """The built-ins with the example of `hook` added, and its one spec."""
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    manager = load_plugins()
    manager.add(importlib.import_module(MODULES[hook]), Provenance("exphil-example", "0.1.0", "example"))
    assert manager.problems == []
    (spec,) = [e.spec for e in manager.registered(hook) if e.origin.distribution == "exphil-example"]
    return manager, spec


@pytest.mark.parametrize("hook", HOOKS)
class TestPages:
    def test_there_is_one_and_the_index_links_to_it(self, hook: str) -> None:
        assert (PAGES / f"{hook}.md").is_file(), f"docs/hooks/{hook}.md is missing"
        assert f"({hook}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")

    def test_its_signature_is_the_codes(self, hook: str) -> None:
        function = getattr(hookspecs, hook)
        signature = str(inspect.signature(function)).replace("'", "")
        block = f'```python\ndef {hook}{signature}:\n    """{function.__doc__}"""\n```'
        assert block in page(hook), f"docs/hooks/{hook}.md should have\n{block}"

    def test_its_table_has_every_field_of_the_spec(self, hook: str) -> None:
        spec = HOOKS[hook][1]
        assert f"`{spec.__name__}`" in page(hook)
        documented = set(
            re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", page(hook), re.MULTILINE)))
        )
        fields = set(attrs.fields_dict(spec))
        if hook == "exphil_character_features":
            fields |= set(attrs.fields_dict(FeatureColumn))
        assert documented == fields

    def test_its_example_is_the_file(self, hook: str) -> None:
        files = quoted(hook)
        assert files, f"docs/hooks/{hook}.md shows no example"
        for path, text in files.items():
            assert text == (EXAMPLES / path).read_text(encoding="utf-8"), (
                f"docs/hooks/{hook}.md: {path} differs"
            )

    def test_its_example_registers(self, hook: str, examples: None, monkeypatch: pytest.MonkeyPatch) -> None:
        manager, spec = loaded(hook, monkeypatch)
        assert manager.get(hook, spec.name).spec is spec
        assert spec.name in page(hook)

    def test_its_example_is_light(self, hook: str) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import {MODULES[hook]} as plugin; plugin.{hook}(); "
            "print([m for m in ('torch', 'numpy', 'pyarrow', 'cattrs') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def test_every_example_file_is_on_a_page() -> None:
    shown = {path for hook in HOOKS for path in quoted(hook)}
    there = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}
    assert shown == there


def factory(spec: Any) -> Any:
    module, _, attribute = spec.factory.partition(":")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.usefixtures("examples")
class TestExamples:
    def test_the_backbone_runs_in_a_policy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        from exphil_core.features.schema import observation_schema
        from exphil_core.models.policy import build_policy, policy_shape

        manager, spec = loaded("exphil_backbones", monkeypatch)
        shape = policy_shape("leaky-average", (16, 8), {"half_life": 5.0}, observation_schema())
        backbone = build_policy(manager, shape).backbone.eval()
        assert backbone.output_size == 8
        kept = [share.sigmoid() for share in backbone.keep.parameters()]
        assert all(torch.allclose(share**5, torch.tensor(0.5)) for share in kept)
        x_BTD = torch.randn(3, 20, backbone.layers[0].in_features)
        state = backbone.initial_state(3)
        assert bool(state) == spec.temporal
        with torch.no_grad():
            whole, last = backbone(x_BTD, state)
            first, between = backbone(x_BTD[:, :7], state)
            torch.testing.assert_close(first, whole[:, :7])  # nothing of the future in it
            for t in range(7, 20):
                one, between = backbone.step(x_BTD[:, t], between)
                torch.testing.assert_close(one, whole[:, t], atol=1e-5, rtol=1e-5)
        for a, b in zip(between, last, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)

    def test_the_backbones_options_are_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from exphil_core.config.resolve import InvalidSettings, resolve

        manager, _ = loaded("exphil_backbones", monkeypatch)
        flags: Mapping[str, Any] = {"backbone": "leaky", "backbone_options": {"half_life": "-1"}}
        with pytest.raises(InvalidSettings, match=r"backbone_options.half_life: .* must be above 0"):
            resolve(manager, flags=flags)

    def test_the_preset_resolves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from exphil_core.config.resolve import resolve

        manager, _ = loaded("exphil_presets", monkeypatch)
        run = resolve(manager, preset="fox-dittos")
        assert (run.config.character, run.config.opponent, run.config.backbone) == ("fox", ("fox",), "gru")
        assert run.origins["mirror"] == "preset fox-dittos (exphil-example)"
        assert run.origins["max_files"] == "preset full-cpu (exphil-core)"

    def test_the_feature_tracks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from exphil_core.features.character import ActiveFeature, FighterRows
        from exphil_core.melee.stages import BY_NAME
        from exphil_core.replays.game import STATE_COLUMNS

        manager, spec = loaded("exphil_character_features", monkeypatch)
        action = np.array([29] * 3 + [252] * 7 + [253] * 2 + [29] * 80 + [252], np.int16)

        def rows(start: int, stop: int) -> FighterRows:
            unknown = np.full((stop - start, len(STATE_COLUMNS)), np.nan, np.float32)
            return FighterRows(
                state=unknown,
                action=action[start:stop],
                character=np.full(stop - start, 18, np.uint8),
                opponent_state=unknown,
                opponent_action=np.zeros(stop - start, np.int16),
                stage=BY_NAME["bf"],
            )

        feature = ActiveFeature(manager.get("exphil_character_features", spec.name), factory(spec))
        whole = feature.track(feature.make(), rows(0, len(action)))
        assert whole[:, 0].tolist() == [0] * 3 + [1] * 9 + [0] * 80 + [1]
        expected = [60] * 3 + [0] * 9 + [*range(1, 61)] + [60] * 20 + [0]
        np.testing.assert_allclose(whole[:, 1] * 60, expected, rtol=1e-6)
        tracker = feature.make()
        parts = [feature.track(tracker, rows(t, t + 1)) for t in range(len(action))]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert feature.make().update(rows(0, 0)).shape == (0, 2)

    @pytest.mark.parametrize(("character", "word"), [("mewtwo", "mewtwo"), (None, "any")])
    def test_the_naming_scheme_reads_what_it_writes(
        self, monkeypatch: pytest.MonkeyPatch, character: str | None, word: str
    ) -> None:
        from exphil_core.checkpoints.naming import NameFields, load_scheme

        manager, spec = loaded("exphil_naming_schemes", monkeypatch)
        scheme = load_scheme(manager, spec.name)
        moment = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
        fields = NameFields(
            character=character,
            backbone="state_space",
            hidden_sizes=(8,),
            window_size=None,
            created_at=moment,
        )
        stem = scheme.stem(fields)
        assert stem == f"2026-w04/{word}_state_space_20260119_123456"
        told = {"character": character, "backbone": "state_space", "created_at": moment}
        assert scheme.parse(stem) == scheme.parse(f"{stem}_2") == told
        assert scheme.parse("mamba_20260119_123456") is None

    def test_the_pruning_strategy_plans(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from exphil_core.checkpoints.entry import ModelEntry, places
        from exphil_core.checkpoints.pruning import PruningContext
        from exphil_core.cli.prune import chosen_strategies, strategy_flags
        from exphil_core.errors import UsageError

        manager, spec = loaded("exphil_pruning_strategies", monkeypatch)
        assert "keep-daily" in strategy_flags(manager)
        models = [
            ModelEntry(
                **places(f"gru_{number}"),
                created_at=f"2026-01-{day:02}T{hour:02}:00:00Z",
                backbone="gru",
                temporal=True,
                hidden_sizes=(8,),
                epochs=1,
            )
            for number, (day, hour) in enumerate([(1, 5), (3, 1), (3, 9), (4, 0), (4, 1), (4, 2)])
        ]
        context = PruningContext(now=datetime.now(timezone.utc), folder=tmp_path, size_of=lambda entry: 0)
        (strategy,) = chosen_strategies(manager, [], {"flag_keep_daily": "2"})
        decisions = strategy.plan(models, context)
        assert {d.id: d.action for d in decisions} == {
            "gru_0": "delete", "gru_1": "delete", "gru_2": "keep",
            "gru_3": "delete", "gru_4": "delete", "gru_5": "keep",
        }  # fmt: skip
        with pytest.raises(UsageError, match="at least 1"):
            chosen_strategies(manager, [spec.name], {"flag_keep_daily": "0"})

    def test_the_logger_keeps_the_contract_and_heeds_a_crash(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        from exphil_core.testing import check_logger
        from exphil_core.testing.loggers import epoch_metrics, facts

        _, spec = loaded("exphil_loggers", monkeypatch)
        check_logger(spec)
        for resumed_at, steps in ((None, (30, 60, 90)), (60, (90, 120))):
            logger = factory(spec)(spec.options(separator="semicolon"))
            logger.start(facts(tmp_path, resumed_at))
            for step in steps:
                logger.epoch(epoch_metrics(step))
        table = (tmp_path / f"{facts(tmp_path).name}.csv").read_text().splitlines()
        assert [line.split(";")[0] for line in table] == ["step", "30", "60", "90", "120"]

    def test_the_exporter_keeps_the_contract_and_its_weights_are_the_policys(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        from exphil_core.exporting.export import export_model
        from exphil_core.testing import check_exporter
        from exphil_core.testing.exporters import small_model

        manager, spec = loaded("exphil_exporters", monkeypatch)
        check_exporter(spec)
        model = small_model(tmp_path, manager)
        done = export_model(model.path, "npz", tmp_path / "out", {"dtype": "float16"}, manager)
        assert done.files == (f"{model.name}.json", f"{model.name}.npz")
        with np.load(done.folder / f"{model.name}.npz") as arrays:
            assert arrays["head.enter.weight"].dtype == np.float16
            assert set(arrays) == set(model.policy.state_dict())


def test_the_example_of_a_pyproject_is_enough(tmp_path: Path) -> None:
    """What the index says makes a plugin: an entry point in our group that names the module."""
    tomllib: ModuleType = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    (block,) = re.findall(r"```toml\n(.*?)```", (PAGES / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    project = tomllib.loads(block)
    assert project["project"]["entry-points"][hookspecs.GROUP] == {"fox-dittos": "fox_dittos"}
    assert project["tool"]["setuptools"]["py-modules"] == ["fox_dittos"]
    assert (EXAMPLES / "fox_dittos.py").is_file()
