"""Settings of the built-in backbones. Apart from them, so that listings import no torch."""

from __future__ import annotations

import attrs

from exphil_core.options import at_least, option


@attrs.frozen(kw_only=True)
class MambaOptions:
    """As `mamba_ssm.Mamba` calls them."""

    d_state: int = option(16, rule=at_least(1), help="States a channel.")
    d_conv: int = option(4, rule=at_least(1), help="Width of the causal convolution, in frames.")
    expand: int = option(2, rule=at_least(1), help="Inner width as a multiple of the layer's width.")
