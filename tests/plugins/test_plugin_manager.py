"""What a plugin does wrong becomes a problem that names it; everything else goes on."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from exphil_core import BackboneSpec, ContestedName, PresetSpec, UnknownName, hookimpl
from exphil_core.errors import ExphilError
from exphil_core.features.character import active_features
from exphil_core.plugin_manager import (
    CORE_DISTRIBUTION,
    HOOKS,
    PluginManager,
    Problem,
    Provenance,
    load_plugins,
    normalise_distribution,
)

Install = Callable[..., str]
PRESETS = "exphil_presets"
IMPORTS = "from exphil_core import *\nfrom exphil_core import hookimpl, PresetSpec, BackboneSpec\n"


def origin(distribution: str) -> Provenance:
    return Provenance(distribution, "1.0", "plugin")


def added(source: str, distribution: str = "broken", manager: PluginManager | None = None) -> PluginManager:
    """A manager to which the module `source` was added."""
    module = types.ModuleType(distribution)
    exec(IMPORTS + textwrap.dedent(source), module.__dict__)
    manager = manager or PluginManager()
    manager.add(module, origin(distribution))
    return manager


def only_problem(manager: PluginManager) -> Problem:
    assert len(manager.problems) == 1, manager.problems
    (problem,) = manager.problems
    line = str(problem)
    assert "\n" not in line
    assert problem.distribution in line
    assert problem.reason in line
    assert problem.remedy
    return problem


def builtins_work(manager: PluginManager) -> None:
    assert {"quick", "standard", "full"} <= set(manager.names(PRESETS))
    assert {"mlp", "gru"} <= set(manager.names("exphil_backbones"))


GOOD = """
@hookimpl
def exphil_presets():
    return [PresetSpec(name="good")]
"""


class TestTheBuiltIns:
    def test_they_load_without_a_problem_and_are_all_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXPHIL_PLUGINS", "")
        manager = load_plugins()
        assert manager.problems == []
        assert {plugin.origin.distribution for plugin in manager.plugins} == {CORE_DISTRIBUTION}
        builtins_work(manager)

    def test_every_hook_of_the_contract_has_a_kind_and_a_class(self) -> None:
        from exphil_core import hookspecs

        declared = {name for name in vars(hookspecs) if name.startswith("exphil_")}
        assert set(HOOKS) == declared


class TestImporting:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("raise RuntimeError('no\\n  luck')", "raised RuntimeError: no luck"),
            ("import no_such_module_at_all", "raised ModuleNotFoundError"),
            ("def broken(:", "raised SyntaxError"),
            ("import sys; sys.exit(3)", "raised SystemExit: 3"),
            ("class Odd(BaseException): pass\nraise Odd('panic')", "raised Odd: panic"),
            (
                "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
                "raised Mute",
            ),
        ],
    )
    def test_what_it_raises_is_a_problem(self, install: Install, source: str, said: str) -> None:
        install("broken-one", source)
        manager = load_plugins()
        problem = only_problem(manager)
        assert (problem.distribution, problem.phase) == ("broken-one", "load")
        assert said in problem.reason
        builtins_work(manager)

    def test_the_next_plugin_still_loads(self, install: Install) -> None:
        install("a-broken-one", "raise RuntimeError")
        install("b-good-one", IMPORTS + GOOD)
        manager = load_plugins()
        assert "good" in manager.names(PRESETS)
        assert only_problem(manager).distribution == "a-broken-one"

    def test_a_keyboard_interrupt_passes_through(self, install: Install) -> None:
        install("interrupted-one", "raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            load_plugins()

    def test_an_entry_point_that_names_nothing(self, install: Install) -> None:
        install("nowhere", "", entry_points="[exphil_core]\nplugin = nowhere:missing\n")
        assert "missing" in only_problem(load_plugins()).reason

    def test_an_entry_point_that_names_no_module(self, install: Install) -> None:
        install("vague", "", entry_points="[exphil_core]\nplugin = not a module!\n")
        problem = only_problem(load_plugins())
        assert problem.reason == "its entry point 'plugin' names no module: 'not a module!'"

    def test_half_removed_and_damaged_metadata_cost_that_distribution_alone(
        self, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("good-one", IMPORTS + GOOD)
        install("damaged", "", entry_points="[exphil_core]\nno value here\n")
        nameless = tmp_path / "site" / "nameless-1.0.dist-info"
        nameless.mkdir()
        (nameless / "entry_points.txt").write_text("[exphil_core]\nplugin = gone_module\n")
        manager = load_plugins()
        builtins_work(manager)
        assert "good" in manager.names(PRESETS)
        assert only_problem(manager).distribution == "damaged"
        monkeypatch.setenv("EXPHIL_PLUGINS", "good-one")
        assert load_plugins().problems == []


class TestRestriction:
    def test_only_those_named_are_loaded(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install("one", IMPORTS + GOOD)
        install("two", IMPORTS + GOOD.replace("good", "better"))
        monkeypatch.setenv("EXPHIL_PLUGINS", "one")
        assert "good" in load_plugins().names(PRESETS)
        assert "better" not in load_plugins().names(PRESETS)

    def test_empty_means_the_built_ins_alone(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install("one", "raise RuntimeError")
        monkeypatch.setenv("EXPHIL_PLUGINS", "")
        manager = load_plugins()
        assert manager.problems == []
        builtins_work(manager)

    def test_spelling_follows_pep_503(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install("one-two", IMPORTS + GOOD)
        monkeypatch.setenv("EXPHIL_PLUGINS", " other , ONE_two ")
        assert "good" in load_plugins().names(PRESETS)
        assert normalise_distribution("A_b..C-_d") == "a-b-c-d"

    def test_a_name_that_is_not_installed_is_told(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("one", IMPORTS + GOOD)
        monkeypatch.setenv("EXPHIL_PLUGINS", "one,oen")
        manager = load_plugins()
        (problem,) = manager.problems
        assert problem.distribution == "oen"
        assert "EXPHIL_PLUGINS names it" in problem.reason
        assert "good" in manager.names(PRESETS)

    def test_without_it_everything_installed_is_loaded(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("one", IMPORTS + GOOD)
        monkeypatch.delenv("EXPHIL_PLUGINS")
        assert "good" in load_plugins().names(PRESETS)


class TestRegistering:
    @pytest.mark.parametrize("mark", ["@hookimpl\n", ""])
    def test_a_misspelled_hook_is_told_which_was_meant(self, mark: str) -> None:
        problem = only_problem(added(f"{mark}def exphil_preset():\n    return []"))
        assert problem.phase == "register"
        assert problem.reason == "there is no hook exphil_preset; did you mean exphil_presets?"

    def test_one_far_from_any_is_told_all(self) -> None:
        assert all(hook in only_problem(added("def exphil_zzz(): ...")).reason for hook in HOOKS)

    def test_the_other_hooks_of_that_plugin_still_count(self) -> None:
        manager = added(GOOD + "\n@hookimpl\ndef exphil_backbone():\n    return []")
        assert manager.names(PRESETS) == ["good"]
        assert "did you mean exphil_backbones?" in only_problem(manager).reason

    def test_an_unmarked_hook_is_told_how_to_mark_it(self) -> None:
        problem = only_problem(added("def exphil_presets():\n    return []"))
        assert problem.reason == "exphil_presets is not marked"
        assert "hookimpl" in problem.remedy

    def test_wrong_arguments(self) -> None:
        problem = only_problem(added("@hookimpl\ndef exphil_presets(config):\n    return []"))
        assert problem.phase == "register"
        assert "config" in problem.reason

    @pytest.mark.parametrize("version", ["2", "'1'", "None"])
    def test_another_contract(self, version: str) -> None:
        manager = added(f"exphil_contract = {version}\n{GOOD}", "from-the-future")
        problem = only_problem(manager)
        assert "plugin contract" in problem.reason
        assert "from-the-future" in problem.remedy
        assert manager.names(PRESETS) == []

    def test_a_class_is_no_plugin_but_an_instance_is(self) -> None:
        class Plugin:
            @hookimpl
            def exphil_presets(self) -> list[PresetSpec]:
                return [PresetSpec(name="from-an-instance")]

        manager = PluginManager()
        manager.add(Plugin, origin("classy"))
        assert "names a class" in only_problem(manager).reason
        manager.add(Plugin(), origin("instance"))
        assert manager.names(PRESETS) == ["from-an-instance"]
        assert len(manager.problems) == 1

    @pytest.mark.parametrize("raised", [ValueError, SystemExit])
    def test_attributes_that_raise_when_looked_at(self, raised: type[BaseException]) -> None:
        class Plugin:
            @property
            def exphil_presets(self) -> object:
                raise raised("don't look")

        manager = PluginManager()
        manager.add(Plugin(), origin("shy"))
        problem = only_problem(manager)
        assert (problem.phase, problem.distribution) == ("register", "shy")
        assert "don't look" in problem.reason

    def test_the_same_module_twice(self) -> None:
        module = types.ModuleType("twice")
        manager = PluginManager()
        manager.add(module, Provenance("twice", "1.0", "a"))
        manager.add(module, Provenance("twice", "1.0", "b"))
        assert only_problem(manager).phase == "register"


class TestCalling:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("raise RuntimeError('no luck')", "exphil_presets raised RuntimeError: no luck"),
            ("raise SystemExit(1)", "raised SystemExit: 1"),
            ("raise GeneratorExit", "raised GeneratorExit"),
            ("return None", "returned NoneType, not a list of PresetSpec"),
            ("pass", "returned NoneType"),
            ("return 'quick'", "returned str"),
            ("return b'quick'", "returned bytes"),
            ("return {'quick': 1}", "returned dict"),
            ("return 3", "returned int"),
            ("return PresetSpec(name='alone')", "returned PresetSpec"),
            ("yield PresetSpec(name='first'); raise OSError('half way')", "raised OSError: half way"),
            ("return [PresetSpec(name='Bad Name')]", "raised ValueError: name 'Bad Name' must be"),
            ("return [PresetSpec(name=None)]", "raised ValueError"),
            ("return [PresetSpec(nam='x')]", "raised TypeError"),
            ("return [PresetSpec(name='x', notes=3)]", "raised TypeError"),
        ],
    )
    def test_a_hook_that_fails(self, body: str, said: str) -> None:
        manager = added(f"@hookimpl\ndef exphil_presets():\n    {body}")
        problem = only_problem(manager)
        assert problem.phase == "call"
        assert said in problem.reason
        assert manager.names(PRESETS) == []

    @pytest.mark.parametrize(
        "spec",
        [
            "BackboneSpec(name='x', factory='no colon', temporal=True)",
            "BackboneSpec(name='x', factory='a:b', temporal='yes')",
            "BackboneSpec(name='x', factory='a:b', temporal=True, options=dict)",
            "BackboneSpec(name='x', factory='a:b', temporal=True, aliases=('Not Good',))",
        ],
    )
    def test_a_spec_with_bad_values(self, spec: str) -> None:
        assert only_problem(added(f"@hookimpl\ndef exphil_backbones():\n    return [{spec}]")).phase == "call"

    @pytest.mark.parametrize(
        "wrong", ["'quick'", "dict(name='x')", "BackboneSpec(name='x', factory='a:b', temporal=True)"]
    )
    def test_a_wrong_thing_among_good_ones_costs_itself_alone(self, wrong: str) -> None:
        manager = added(
            f"@hookimpl\ndef exphil_presets():\n    return [PresetSpec(name='one'), {wrong}, PresetSpec(name='two')]"
        )
        problem = only_problem(manager)
        assert problem.phase == "validate"
        assert problem.reason.endswith("not a PresetSpec")
        assert manager.names(PRESETS) == ["one", "two"]

    def test_a_hook_that_fails_leaves_the_plugins_other_hooks(self) -> None:
        manager = added(GOOD + "\n@hookimpl\ndef exphil_backbones():\n    raise RuntimeError")
        assert manager.names(PRESETS) == ["good"]
        only_problem(manager)

    def test_a_keyboard_interrupt_passes_through(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            added("@hookimpl\ndef exphil_presets():\n    raise KeyboardInterrupt")

    @pytest.mark.parametrize(
        "result", ["[PresetSpec(name='x')]", "(PresetSpec(name='x'),)", "iter([PresetSpec(name='x')])", "[]"]
    )
    def test_any_iterable_will_do(self, result: str) -> None:
        manager = added(f"@hookimpl\ndef exphil_presets():\n    return {result}")
        assert manager.problems == []
        assert manager.names(PRESETS) == ([] if result == "[]" else ["x"])


def backbone(name: str, *aliases: str) -> str:
    spec = f"BackboneSpec(name={name!r}, factory='a:b', temporal=True, aliases={aliases!r})"
    return f"@hookimpl\ndef exphil_backbones():\n    return [{spec}]"


class TestContestedNames:
    def test_nobody_wins_and_both_are_named(self) -> None:
        manager = added(GOOD, "first")
        added(GOOD + "\n@hookimpl\ndef exphil_backbones():\n    return []", "second", manager)
        problem = only_problem(manager)
        assert (problem.distribution, problem.phase) == ("second", "name")
        assert problem.reason == 'preset "good" is already registered by first'
        assert manager.names(PRESETS) == []
        with pytest.raises(
            ContestedName, match=r'"good" comes from both first and second; .*uninstall second'
        ):
            manager.get(PRESETS, "good")

    def test_others_of_the_same_plugins_are_unaffected(self) -> None:
        manager = added(GOOD, "first")
        added(
            "@hookimpl\ndef exphil_presets():\n    return [PresetSpec(name='good'), PresetSpec(name='mine')]",
            "second",
            manager,
        )
        assert manager.names(PRESETS) == ["mine"]
        assert manager.get(PRESETS, "mine").origin.distribution == "second"

    def test_a_third_one_changes_nothing(self) -> None:
        manager = PluginManager()
        for name in ("first", "second", "third"):
            added(GOOD, name, manager)
        assert [problem.distribution for problem in manager.problems] == ["second", "third"]
        with pytest.raises(ContestedName):
            manager.get(PRESETS, "good")

    def test_twice_within_one_distribution(self) -> None:
        manager = added(
            "@hookimpl\ndef exphil_presets():\n    return [PresetSpec(name='good'), PresetSpec(name='good')]",
            "careless",
        )
        assert only_problem(manager).reason == 'preset "good" is registered twice'
        assert manager.names(PRESETS) == []
        with pytest.raises(ContestedName, match="registered twice by careless"):
            manager.get(PRESETS, "good")

    def test_the_same_name_under_another_hook_is_another_name(self) -> None:
        manager = added(GOOD, "first")
        added(backbone("good"), "second", manager)
        assert manager.problems == []

    def test_an_alias_against_a_name(self) -> None:
        manager = added(backbone("lru"), "first")
        added(backbone("other", "lru"), "second", manager)
        assert only_problem(manager).reason == 'backbone "lru" is already registered by first'
        assert manager.names("exphil_backbones") == ["other"]
        with pytest.raises(ContestedName, match="first and second"):
            manager.get("exphil_backbones", "lru")

    def test_an_alias_against_an_alias(self) -> None:
        manager = added(backbone("one", "s"), "first")
        added(backbone("two", "s"), "second", manager)
        assert manager.names("exphil_backbones") == ["one", "two"]
        with pytest.raises(ContestedName):
            manager.get("exphil_backbones", "s")

    def test_against_a_built_in_only_that_name_is_lost(self, install: Install) -> None:
        install("copycat", IMPORTS + GOOD.replace("good", "quick"))
        manager = load_plugins()
        assert only_problem(manager).distribution == "copycat"
        assert "quick" not in manager.names(PRESETS)
        assert "standard" in manager.names(PRESETS)
        with pytest.raises(ContestedName, match="both exphil-core and copycat"):
            manager.get(PRESETS, "quick")


class TestAsking:
    def test_by_name_alias_and_any_case(self) -> None:
        manager = added(backbone("state-space", "ssm"))
        for name in ("state-space", "ssm", "SSM"):
            assert manager.get("exphil_backbones", name).spec.name == "state-space"
        assert manager.names("exphil_backbones") == ["state-space"]

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(UnknownName, match=r'unknown preset "goood" \(did you mean "good"\?\)'):
            added(GOOD).get(PRESETS, "goood")

    def test_a_factory_that_cannot_be_imported_names_the_distribution(self) -> None:
        with pytest.raises(ExphilError, match=r"plugin some-one: no_such:thing can't be imported"):
            PluginManager().load("no_such:thing", origin("some-one"))

    def test_where_everything_came_from(self, install: Install) -> None:
        install("one", IMPORTS + GOOD, version="2.5")
        entry = load_plugins().get(PRESETS, "good")
        assert entry.origin == Provenance("one", "2.5", "plugin")


def test_specs_are_frozen() -> None:
    spec = PresetSpec(name="x", overrides={"epochs": 1})
    with pytest.raises(AttributeError):
        spec.name = "y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        spec.overrides["epochs"] = 2  # type: ignore[index]
    assert BackboneSpec(name="x", factory="a:b", temporal=False, aliases="xs").aliases == ("xs",)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ('"Nonsense" = 3', "has a type that can't be resolved"),
        (
            'int = option(3, help="Days.", flag="two words")',
            "flag 'two words' of days must be lower-case letters",
        ),
    ],
)
def test_an_option_that_can_t_be_one_costs_that_spec_alone(option: str, says: str) -> None:
    source = f"""
import attrs
from exphil_core import PruningStrategySpec, hookimpl, option

@attrs.frozen(kw_only=True)
class Options:
    days: {option}

@hookimpl
def exphil_pruning_strategies():
    return [PruningStrategySpec(name="odd", factory="a:b", options=Options)]
"""
    problem = only_problem(added(source))
    assert problem.phase == "call"
    assert says in problem.reason


def test_features_that_can_t_be_followed_name_their_plugin() -> None:
    source = """
from exphil_core import CharacterFeatureSpec, FeatureColumn

@hookimpl
def exphil_character_features():
    return [
        CharacterFeatureSpec(name="empty", characters=("fox",), factory="types:SimpleNamespace", columns=()),
        CharacterFeatureSpec(
            name="odd", characters=("fox",), factory="builtins:range", columns=(FeatureColumn(name="c"),)
        ),
    ]
"""
    manager = added(source)
    with pytest.raises(ExphilError, match=r"^plugin broken: feature empty has no columns"):
        active_features(manager, ["empty"])
    (feature,) = active_features(manager, ["odd"])
    with pytest.raises(ExphilError, match=r"^plugin broken: feature odd failed \(TypeError: range expected"):
        feature.make()
