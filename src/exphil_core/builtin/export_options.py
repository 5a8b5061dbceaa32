"""Settings of the built-in exporters: what `exphil export --option` sets."""

from __future__ import annotations

import attrs

from exphil_core.options import at_least, between, option


@attrs.frozen(kw_only=True)
class UmiOptions:
    """``--option temperature=0.7``."""

    name: str | None = option(None, default_text="the model's", help="What the bot is called.")
    characters: tuple[str, ...] = option(
        (), default_text="those that it learned", help="Whom it plays, as in fox,falco; all for everyone."
    )
    temperature: float = option(
        1.0, rule=between(0, 100), help="How freely it draws: 1 as it learned, 0 the likeliest controller."
    )


@attrs.frozen(kw_only=True)
class OnnxOptions:
    """``--option opset=18``."""

    opset: int = option(18, rule=at_least(18), help="Version of ONNX's operators that the graph uses.")
