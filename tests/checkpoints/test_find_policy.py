"""Whoever wants to play finds a model's policy, by its id or by any of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from exphil_core.checkpoints.find_policy import find_policy
from exphil_core.errors import ExphilError, UnknownName


@pytest.mark.parametrize("file", ["m_policy.safetensors", "m.safetensors", "m_config.json", "m.state"])
def test_every_file_of_a_model_leads_to_its_policy(file: str, tmp_path: Path) -> None:
    for name in {file, "m_policy.safetensors"}:
        (tmp_path / name).touch()
    assert find_policy(str(tmp_path / file), tmp_path / "elsewhere") == tmp_path / "m_policy.safetensors"


@pytest.mark.parametrize("file", ["m.safetensors", "notes.txt"])
def test_a_file_without_a_policy_is_refused(file: str, tmp_path: Path) -> None:
    (tmp_path / file).touch()
    with pytest.raises(ExphilError, match=r"no policy; give .*_policy\.safetensors"):
        find_policy(str(tmp_path / file), tmp_path)


def test_a_file_that_is_not_there_is_not_taken_for_an_id(tmp_path: Path) -> None:
    with pytest.raises(ExphilError, match=r"m_policy\.safetensors: no such file"):
        find_policy("m_policy.safetensors", tmp_path)


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match='unknown model "fox_1"'):
        find_policy("fox_1", tmp_path)
