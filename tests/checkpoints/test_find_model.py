"""Whoever wants a model finds it by its id or by any of its files; whoever wants to play, its policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from exphil_core.checkpoints.find_model import find_model, find_policy
from exphil_core.errors import ExphilError, UnknownName, UsageError
from exphil_core.training.checkpoint import find_checkpoint


@pytest.mark.parametrize("file", ["m_policy.safetensors", "m.safetensors", "m_config.json", "m.state"])
def test_every_file_of_a_model_leads_to_its_policy(file: str, tmp_path: Path) -> None:
    for name in {file, "m_policy.safetensors"}:
        (tmp_path / name).touch()
    assert find_policy(str(tmp_path / file), tmp_path / "elsewhere") == tmp_path / "m_policy.safetensors"


def test_so_does_one_of_the_states_of_its_run(tmp_path: Path) -> None:
    (tmp_path / "m.state" / "000200").mkdir(parents=True)
    found = find_model(str(tmp_path / "m.state" / "000200"), tmp_path / "elsewhere")
    assert (found.folder, found.stem, found.entry) == (tmp_path, "m", None)


def test_a_model_without_a_policy_can_not_play(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").touch()
    with pytest.raises(ExphilError, match=r"no policy; give .*_policy\.safetensors"):
        find_policy(str(tmp_path / "m.safetensors"), tmp_path)


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        ("m_policy.safetensors", ExphilError, "m_policy.safetensors: no such file"),
        ("m.state", ExphilError, "m.state: no such file"),
        ("notes.txt", ExphilError, "notes.txt: not a model's file"),
        (" ", UsageError, "' ': no name of a model; give its id or one of its files"),
        ("2026", UnknownName, 'unknown model "2026" (there are: none)'),
    ],
)
def test_whoever_looks_is_told_the_same(
    wanted: str, kind: type[ExphilError], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").touch()
    for look in (
        lambda: find_policy(wanted, tmp_path),
        lambda: find_checkpoint(wanted, str(tmp_path), flag=""),
    ):
        with pytest.raises(kind) as refused:
            look()
        assert str(refused.value) == says
    with pytest.raises(UsageError if kind is UnknownName else kind) as refused:
        find_checkpoint(wanted, str(tmp_path))
    assert str(refused.value).startswith("--from-checkpoint")
    assert str(refused.value).endswith(says)
