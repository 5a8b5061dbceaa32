"""Settings of the built-in backbones. Apart from them, so that listings import no torch."""

from __future__ import annotations

import attrs

from exphil_core.options import at_least, between, option


# Without slots: `HybridOptions` has two bases.
@attrs.frozen(kw_only=True, slots=False)
class MambaOptions:
    """As `mamba_ssm.Mamba` calls them."""

    d_state: int = option(16, rule=at_least(1), help="States a channel.")
    d_conv: int = option(4, rule=at_least(1), help="Width of the causal convolution, in frames.")
    expand: int = option(2, rule=at_least(1), help="Inner width as a multiple of the layer's width.")


@attrs.frozen(kw_only=True)
class SlidingWindowOptions:
    """How far and how attention looks."""

    window_size: int = option(
        60,
        rule=between(1, 10_000),
        unit="frames",
        default_text="that of the run",
        help="How many frames attention looks back.",
    )
    heads: int = option(4, rule=at_least(1), help="Attention heads.")
    expand_feed_forward: int = option(
        2, rule=at_least(1), help="Width of the feed-forward layers as a multiple of the layer's."
    )


@attrs.frozen(kw_only=True)
class HybridOptions(MambaOptions, SlidingWindowOptions):
    """Those of its Mamba blocks and those of its attention."""
