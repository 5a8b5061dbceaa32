"""Settings of the built-in pruning strategies: the flags of `exphil prune` are made from these classes."""

from __future__ import annotations

import attrs

from exphil_core.options import at_least, duration, option


@attrs.frozen(kw_only=True)
class KeepBestOptions:
    """Flags of `keep-best-n`."""

    keep_best: int = option(
        flag="keep-best",
        rule=at_least(1),
        help="Keep so many with the lowest val_loss, of comparable models.",
    )


@attrs.frozen(kw_only=True)
class KeepRecentOptions:
    """Flags of `keep-recent-n`."""

    keep_recent: int = option(flag="keep-recent", rule=at_least(1), help="Keep so many of the newest.")


@attrs.frozen(kw_only=True)
class KeepTaggedOptions:
    """Flags of `keep-tagged`."""

    keep_tagged: bool = option(True, flag="keep-tagged", help="Keep models that have a tag.")


@attrs.frozen(kw_only=True)
class ArchiveOptions:
    """Flags of `archive`."""

    archive_older_than: float = option(
        flag="archive-older-than",
        parse=duration,
        rule=at_least(0),
        help="Move models older than this to archive/, as in 7d or 12h; deletes nothing.",
    )
