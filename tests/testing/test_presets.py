"""`check_preset` and `check_plugin`: what is registered passes; what is wrong is caught and named."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from exphil_core import (
    BackboneSpec,
    CharacterFeatureSpec,
    FeatureColumn,
    NamingSchemeSpec,
    PresetSpec,
    hookimpl,
)
from exphil_core.builtin import backbones, naming, presets, pruning
from exphil_core.plugin_manager import load_plugins
from exphil_core.testing import check_plugin, check_preset, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]


@pytest.mark.parametrize("name", load_plugins().names("exphil_presets"))
def test_every_registered_preset_passes(name: str) -> None:
    check_preset(name)


@pytest.mark.parametrize("plugin", [backbones, naming, presets, pruning], ids=lambda p: p.__name__)
def test_the_built_in_plugins_pass_as_plugins(plugin: ModuleType) -> None:
    check_plugin(plugin)


class Adds:
    """A plugin with these presets and the feature `tried` for Falco."""

    exphil_contract = 1

    def __init__(self, *specs: PresetSpec) -> None:
        self.specs = specs

    @hookimpl
    def exphil_presets(self) -> list[PresetSpec]:
        return list(self.specs)

    @hookimpl
    def exphil_character_features(self) -> list[CharacterFeatureSpec]:
        column = FeatureColumn(name="a")
        return [
            CharacterFeatureSpec(
                name="tried", characters=("falco",), factory=f"{__name__}:Adds", columns=(column,)
            )
        ]


def check(**fields: Any) -> None:
    spec = PresetSpec(**{"name": "tried", **fields})
    check_preset(spec, manager_with(Adds(spec)))


def test_a_good_one_passes() -> None:
    check()
    check(base="full", character="falco", features=("tried",), overrides={"window_size": 75, "lr": 0.01})
    check(overrides={"backbone": "mamba", "backbone_options": {"d_state": 8}, "opponent": ("Fox",)})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"base": "ful"}, 'does not resolve: unknown preset "ful".*did you mean "full"'),
        ({"base": "tried"}, "extend each other in a circle: tried -> tried"),
        ({"overrides": {"epoch": 3}}, 'override epoch: 3 is not a setting .did you mean "epochs"'),
        ({"overrides": {"epochs": 1.5}}, "override epochs: 1.5 is not a whole number"),
        ({"overrides": {"epochs": 0, "lr": -1}}, "epochs: 0 must be at least 1; lr: -1.0 must be above 0"),
        ({"overrides": {"backbone": "mlp", "temporal": True}}, "temporal and backbone contradict"),
        ({"character": "falcco"}, 'unknown character "falcco".*did you mean "falco"'),
        ({"character": "fox", "features": ("tried",)}, "is for fox, but its feature tried suits falco"),
        ({"features": ("teleportt",)}, "does not resolve: unknown character feature"),
        ({"character": "fox", "overrides": {"character": "falco"}}, "gives character twice"),
        (
            {"overrides": {"backbone": "mamba", "backbone_options": {"d": 8}}},
            "backbone_options.d: 8 is not a",
        ),
    ],
)
def test_each_violation_is_caught(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check(**fields)
    assert "\n" not in str(caught.value)


def test_a_preset_that_is_not_registered_is_told_how() -> None:
    with pytest.raises(AssertionError, match=r"is not registered .*manager_with\(plugin\)"):
        check_preset(PresetSpec(name="nowhere"))
    with pytest.raises(AssertionError, match="another preset is registered under this name"):
        check_preset(PresetSpec(name="quick"))


# From here on: plugins as a whole.


def plugin_of(**attributes: Any) -> Any:
    return SimpleNamespace(__name__="exphil_tried.plugin", **{"exphil_contract": 1, **attributes})


def giving(hook: str, *specs: object) -> dict[str, Any]:
    def implementation() -> list[object]:
        return list(specs)

    implementation.__name__ = hook
    return {hook: hookimpl(implementation)}


def test_a_good_plugin_passes() -> None:
    check_plugin(plugin_of(**giving("exphil_presets", PresetSpec(name="tried"))))


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (plugin_of(exphil_contract=None), "must say which contract it was written for: exphil_contract = 1"),
        (plugin_of(exphil_contract=2), "must say which contract it was written for"),
        (plugin_of(), "gives nothing"),
        (plugin_of(**giving("exphil_preset", PresetSpec(name="tried"))), "there is no hook exphil_preset"),
        (plugin_of(exphil_presets=lambda: []), "exphil_presets is not marked"),
        (plugin_of(**giving("exphil_presets", "tried")), "gave a str, not a PresetSpec"),
        (plugin_of(**giving("exphil_presets", PresetSpec(name="quick"))), '"quick" comes from both'),
        (
            plugin_of(**giving("exphil_naming_schemes", NamingSchemeSpec(name="tried", factory="a.b:C"))),
            "a.b:C can't be imported .ModuleNotFoundError",
        ),
        (
            plugin_of(
                **giving(
                    "exphil_backbones",
                    BackboneSpec(name="tried", factory="exphil_core.errors:Net", temporal=True),
                )
            ),
            "exphil_core.errors:Net can't be imported .AttributeError",
        ),
    ],
)
def test_each_fault_of_a_plugin_is_caught(plugin: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_plugin(plugin)
    assert "\n" not in str(caught.value)


def test_a_heavy_import_is_caught(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exphil_heavy.py").write_text(
        "import numpy\nfrom exphil_core import PresetSpec, hookimpl\nexphil_contract = 1\n"
        "@hookimpl\ndef exphil_presets():\n    return [PresetSpec(name='heavy')]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssertionError, match="imports numpy when listed"):
        check_plugin(importlib.import_module("exphil_heavy"))


def test_an_installed_plugin_is_not_added_twice(exphil_manager: Any) -> None:
    assert exphil_manager.has(presets)
    assert manager_with(presets).get("exphil_presets", "quick").origin.distribution == "exphil-core"


def test_only_backbones_need_torch() -> None:
    code = (
        "import sys\n"
        "from exphil_core.testing import check_naming_scheme, check_preset, check_pruning_strategy\n"
        "from exphil_core.testing import check_character_feature, check_plugin, manager_with, make_rows\n"
        "check_preset('quick'); check_naming_scheme('hybrid')\n"
        "check_pruning_strategy('keep-recent-n', options={'keep_recent': 2})\n"
        "print([name for name in ('torch', 'pytest') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_only_the_fixtures_need_pytest() -> None:
    import exphil_core.testing as public

    modules = Path(public.__file__).parent.glob("*.py")
    assert [m.name for m in modules if "import pytest" in m.read_text("utf-8")] == ["fixtures.py"]


def test_everything_public_is_there() -> None:
    import exphil_core.testing as public

    assert all(callable(getattr(public, name)) for name in public.__all__)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = public.nothing_such
