"""The fixture `made_policy` is everybody's; this is what it is called in signatures."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.models.policy import Policy

PolicyMaker = Callable[..., Policy]
