"""Where values come from, and what is refused before anything is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from exphil_core import BackboneSpec, PresetSpec, hookimpl
from exphil_core.config.files import read_settings
from exphil_core.config.presets import Layer
from exphil_core.config.resolve import InvalidSettings, resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins

# The table of the documentation: epochs, max files, hidden sizes, temporal, backbone, window.
PRESETS = {
    "quick": (1, 5, (32, 32), False, "mlp", None),
    "standard": (10, 50, (64, 64), False, "mlp", None),
    "full": (50, None, (256, 256), True, "mamba", 60),
    "full-cpu": (20, 100, (128, 128), False, "mlp", None),
}


class OwnPresets:
    """A plugin with presets for these tests."""

    @hookimpl
    def exphil_presets(self) -> list[PresetSpec]:
        return [
            PresetSpec(name="mine", base="standard", overrides={"epochs": 3}, character="fox"),
            PresetSpec(name="a", base="b"),
            PresetSpec(name="b", base="a"),
            PresetSpec(name="orphan", base="gone"),
            PresetSpec(name="wrong", overrides={"epochs": "many", "colour": 3}),
        ]

    @hookimpl
    def exphil_backbones(self) -> list[BackboneSpec]:
        return [BackboneSpec(name="own", factory="own:Own", temporal=True, aliases=("mine",))]


@pytest.fixture
def own() -> PluginManager:
    manager = load_plugins()
    manager.add(OwnPresets(), Provenance("exphil-own", "1", "own"))
    assert not [problem for problem in manager.problems if problem.distribution == "exphil-own"]
    return manager


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_those_of_the_table(manager: PluginManager, name: str) -> None:
    config = resolve(manager, preset=name).config
    epochs, files, hidden, temporal, backbone, window = PRESETS[name]
    assert (config.epochs, config.max_files, config.hidden_sizes) == (epochs, files, hidden)
    assert (config.temporal, config.backbone) == (temporal, backbone)
    assert window is None or config.window_size == window


def test_flags_beat_files_beat_presets_beat_defaults(own: PluginManager) -> None:
    file = Layer("file run.toml", {"lr": 0.5, "epochs": 4})
    run = resolve(own, preset="mine", layers=[file], flags={"epochs": "5"})
    assert run.config.epochs == 5
    assert run.config.lr == 0.5
    assert run.config.character == "fox"
    assert run.config.hidden_sizes == (64, 64)
    assert run.origins["epochs"] == "flag"
    assert run.origins["lr"] == "file run.toml"
    assert run.origins["character"] == "preset mine (exphil-own)"
    assert run.origins["hidden_sizes"] == "preset standard (exphil-core)"
    assert run.origins["seed"] == "default"


def test_presets_that_extend_each_other_in_a_circle_show_it(own: PluginManager) -> None:
    with pytest.raises(InvalidSettings, match="a -> b -> a"):
        resolve(own, preset="a")


def test_a_preset_on_a_missing_base_names_it(own: PluginManager) -> None:
    with pytest.raises(
        InvalidSettings, match=r'unknown preset "gone" .*\(base of preset orphan \(exphil-own\)\)$'
    ):
        resolve(own, preset="orphan")


def test_a_preset_s_wrong_values_name_the_preset(own: PluginManager) -> None:
    with pytest.raises(InvalidSettings) as caught:
        resolve(own, preset="wrong")
    assert caught.value.problems == (
        'epochs: "many" is not a whole number (preset wrong (exphil-own))',
        "colour: 3 is not a setting (preset wrong (exphil-own))",
    )


def test_unknown_names_say_where_they_stand(own: PluginManager) -> None:
    names = {
        "backbone": "grru",
        "character": "foxx",
        "opponent": ["foxx"],
        "stage": ["batlefield"],
        "features": ["telport"],
        "naming": "hybird",
        "log_to": ["wandbb"],
        "log_options": {"wandbb": {"x": 1}},
    }
    with pytest.raises(InvalidSettings) as caught:
        resolve(own, preset="quik", preset_from="file x.toml", layers=[Layer("file x.toml", names)])
    assert len(caught.value.problems) == 1 + len(names)
    assert all(problem.endswith(" (file x.toml)") for problem in caught.value.problems)
    with pytest.raises(InvalidSettings, match=r'unknown backbone "gruu" .* \(flag\)$'):
        resolve(own, flags={"backbone": "gruu"})


def test_an_alias_becomes_the_backbone_s_own_name(own: PluginManager) -> None:
    run = resolve(own, flags={"backbone": "mine"})
    assert run.config.backbone == "own"
    assert run.config.temporal


def test_every_error_comes_at_once(manager: PluginManager) -> None:
    flags = {
        "epochs": "0",
        "backbone": "gruu",
        "lr": "fast",
        "character": "foxx",
        "naming": "hybird",
        "stage": "moon",
    }
    with pytest.raises(InvalidSettings) as caught:
        resolve(manager, preset="quik", flags=flags)
    text = str(caught.value)
    assert len(caught.value.problems) == 7
    for hint in (
        '"quick"',
        "epochs: 0 must be at least 1",
        '"gru"',
        'lr: "fast" is not a number',
        '"fox"',
        '"hybrid"',
    ):
        assert hint in text
    assert 'unknown stage "moon" (there are: battlefield,' in text


def test_one_game_is_enough_to_look_at_but_not_to_train_on(manager: PluginManager) -> None:
    with pytest.raises(InvalidSettings, match=r"max_files: 1 is too few to train on: one of two .* \(flag\)"):
        resolve(manager, flags={"max_files": "1"})
    assert resolve(manager, flags={"max_files": "1"}, trains=False).config.max_files == 1
    with pytest.raises(InvalidSettings, match="max_files: 0 must be at least 1"):
        resolve(manager, flags={"max_files": "0"}, trains=False)


@pytest.mark.parametrize("epochs", ["1.5", "true", "-1", ""])
def test_odd_epochs_are_errors(manager: PluginManager, epochs: str) -> None:
    with pytest.raises(InvalidSettings, match="epochs"):
        resolve(manager, flags={"epochs": epochs})


@pytest.mark.parametrize(
    ("value", "says"), [({"d_state": "0"}, "must be at least 1"), ({"dstate": "3"}, "d_state")]
)
def test_a_backbone_s_own_settings_are_checked_alike(
    manager: PluginManager, value: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidSettings, match=f"backbone_options.*{says}"):
        resolve(manager, flags={"backbone": "mamba", "backbone_options": value})
    with pytest.raises(InvalidSettings, match="mlp has no settings of its own"):
        resolve(manager, flags={"backbone": "mlp", "backbone_options": value})


def test_a_logger_s_setting_with_a_newline_stays_one_line(manager: PluginManager) -> None:
    with pytest.raises(InvalidSettings) as refused:
        resolve(manager, flags={"log_options": {"a\nb": "x"}})
    assert refused.value.problems == (
        'log_options: "a\\nb" must say whose it is, as in wandb.project=melee (flag)',
    )


def test_a_parent_s_character_is_a_default_like_others(manager: PluginManager) -> None:
    parent = Layer("model x", {"character": "fox"})
    for flags, character in (({}, "fox"), ({"character": "marth"}, "marth"), ({"character": "none"}, None)):
        assert resolve(manager, parent=parent, flags=flags).config.character == character


def test_none_on_the_command_line_empties_a_list_that_a_preset_or_a_file_fills(
    manager: PluginManager, tmp_path: Path
) -> None:
    assert resolve(manager, preset="mewtwo").config.features
    run = resolve(manager, preset="mewtwo", flags={"features": "none"})
    assert (run.config.features, run.origins["features"]) == ((), "flag")
    path = tmp_path / "x.toml"
    path.write_text('opponent = ["fox"]\ntags = ["mine"]\n')
    config = resolve(
        manager, layers=[read_settings(path).layer], flags={"opponent": "none", "tags": "none"}
    ).config
    assert (config.opponent, config.tags) == ((), ())
    with pytest.raises(InvalidSettings, match='unknown character feature "none"'):
        resolve(manager, flags={"features": "none,teleport"})


def test_a_backbone_may_have_a_learning_rate_of_its_own(manager: PluginManager) -> None:
    attention = {"backbone": "sliding_window"}
    run = resolve(manager, flags=attention)
    assert (run.config.lr, run.origins["lr"]) == (0.001, "backbone sliding_window")
    assert resolve(manager, flags={**attention, "lr": "0.003"}).config.lr == 0.003
    assert resolve(manager, layers=[Layer("file x.toml", {"lr": 0.002})], flags=attention).config.lr == 0.002
    assert resolve(manager, flags={"backbone": "gru"}).config.lr == 0.003


@pytest.mark.parametrize(("window", "warned"), [("121", "is long"), ("29", "is short"), ("60", "")])
def test_unusual_windows_are_warned_of(manager: PluginManager, window: str, warned: str) -> None:
    warnings = resolve(manager, flags={"window_size": window}).warnings
    assert bool(warnings) == bool(warned)
    assert all(warned in warning for warning in warnings)
    (idle,) = resolve(manager, flags={"window_size": window, "backbone": "mlp"}).warnings
    assert idle == "window_size does nothing without a backbone that remembers"


@pytest.mark.parametrize(
    ("flags", "needed", "says"),
    [
        ({"patience": "3"}, {"early_stopping": True}, "patience does nothing without --early-stopping"),
        ({"bump": "major"}, {"naming": "semver"}, "bump does nothing without a naming scheme with versions"),
        (
            {"allow_new_features": True},
            {"from_checkpoint": "x"},
            "allow_new_features does nothing without --from-checkpoint",
        ),
        (
            {"log_options": {"tensorboard.folder": "x"}},
            {"log_to": ("tensorboard",)},
            "log_options of tensorboard do nothing without --log-to tensorboard",
        ),
    ],
    ids=lambda value: "",
)
def test_a_flag_that_does_nothing_is_warned_of(
    manager: PluginManager, flags: dict[str, Any], needed: dict[str, Any], says: str
) -> None:
    (warning,) = resolve(manager, flags=flags).warnings
    assert warning.startswith(says)
    assert resolve(manager, flags={**flags, **needed}).warnings == ()
    # A model's config file says everything.
    assert resolve(manager, layers=[Layer("file x.json", {"patience": 3})]).warnings == ()


SETTINGS: dict[str, Any] = {"epochs": 3, "hidden_sizes": [16, 8], "max_files": None, "drop_idle": False}


@pytest.mark.parametrize("suffix", ["json", "toml"])
def test_settings_files(manager: PluginManager, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps({"preset": "standard", **SETTINGS}))
    else:
        path.write_text('preset = "standard"\nepochs = 3\nhidden_sizes = [16, 8]\ndrop_idle = false\n')
    settings = read_settings(path)
    run = resolve(manager, preset=settings.preset, layers=[settings.layer])
    assert (run.config.epochs, run.config.hidden_sizes, run.config.drop_idle) == (3, (16, 8), False)
    assert run.config.backbone == "mlp"
    assert run.origins["epochs"] == f"file run.{suffix}"


def test_a_model_s_config_file_gives_its_settings_back(manager: PluginManager, tmp_path: Path) -> None:
    run = resolve(manager, preset="full", flags={"tags": "x", "seed": "9"})
    path = tmp_path / "m_config.json"
    path.write_text(json.dumps({"schema": 1, "model": {}, "config": attrs.asdict(run.config), "origins": {}}))
    again = resolve(manager, layers=[read_settings(path).layer])
    assert again.config == run.config


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.json", "{", "x.json: Expecting"),
        ("x.json", "[1]", "holds a list"),
        ("x.json", '{"epochs": 3, "lr": 0.1, "epochs": 4}', 'x.json: "epochs" stands there twice'),
        ("x.toml", "a = ", "x.toml: "),
        ("x.yaml", "a: 1", "settings are read from"),
        ("x.toml", "preset = 3", "preset: 3 is not a text"),
        ("x.json", "\udcff", "not a text file"),
    ],
)
def test_a_bad_settings_file_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ExphilError, match=says):
        read_settings(path)


def problems_of(manager: PluginManager, path: Path) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        resolve(manager, layers=[read_settings(path).layer])
    return caught.value.problems


@pytest.mark.parametrize("name", ["backbone_options", "log_options"])
@pytest.mark.parametrize(
    ("value", "shown"), [("3", "3"), ('"d=3"', '"d=3"'), ("[1]", "[1]"), ("true", "True")]
)
def test_what_is_no_table_is_told_beside_all_else(
    manager: PluginManager, tmp_path: Path, name: str, value: str, shown: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"epochs = 0\n{name} = {value}\n")
    assert problems_of(manager, path) == (
        "epochs: 0 must be at least 1 (file x.toml)",
        f"{name}: {shown} is not a table of names and values (file x.toml)",
    )


def test_toml_s_own_numbers_and_dates_are_taken_where_a_text_of_that_form_is_wanted(
    manager: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text("save_every = 500\nsince = 2024-01-31\n")
    config = resolve(manager, layers=[read_settings(path).layer]).config
    assert (config.save_every, config.since) == ("500", "2024-01-31")
    path.write_text("save_every = 0\nsince = 2024-01-31T10:00:00\ncharacter = 3\n")
    assert problems_of(manager, path) == (
        'save_every: "0" must be a number of steps, as in 500, or a time, as in 10m (file x.toml)',
        "since: 2024-01-31T10:00:00 is not a date such as 2024-01-31 (file x.toml)",
        "character: 3 is not a text (file x.toml)",
    )


@pytest.mark.parametrize(("name", "content"), [("x.toml", "epochs = 3"), ("x.json", '{"epochs": 3}')])
def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert read_settings(tmp_path / name).layer.values == {"epochs": 3}


def test_the_tag_that_is_wrong_is_named(manager: PluginManager) -> None:
    with pytest.raises(InvalidSettings, match=r'^tags: "b c" must be 1 to 64 characters'):
        resolve(manager, layers=[Layer("file x.toml", {"tags": ["a", "b c", "d"]})])


def test_a_file_of_something_else_gives_short_lines(manager: PluginManager, tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"models": [{"id": "gru"}] * 999, "a\nb": "c\nd", "": 3}))
    models, broken, empty = problems_of(manager, path)
    assert models.startswith("models: [{'id': 'gru'}, ")
    assert models.endswith("… is not a setting (file registry.json)")
    assert len(models) < 140
    assert broken == r'"a\nb": "c\nd" is not a setting (file registry.json)'
    assert empty == '"": 3 is not a setting (file registry.json)'


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExphilError, match="there is no file"):
        read_settings(tmp_path / "gone.toml")


def test_the_preset_of_a_missing_plugin_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPHIL_PLUGINS", "")
    with pytest.raises(UsageError, match="pip install exphil-char-mewtwo"):
        resolve(load_plugins(), preset="mewtwo")


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TrainConfig().epochs = 3  # type: ignore[misc]


def test_a_backbone_s_window_is_the_run_s_unless_it_is_set_for_itself(manager: PluginManager) -> None:
    flags = {"backbone": "sliding_window", "window_size": "90"}
    assert resolve(manager, flags=flags).config.backbone_options["window_size"] == 90
    assert resolve(manager, flags={**flags, "backbone": "gru"}).config.backbone_options == {}
    own = {**flags, "backbone_options": {"window_size": "30"}}
    assert resolve(manager, flags=own).config.backbone_options["window_size"] == 30
