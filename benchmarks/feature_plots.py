"""Draws what each character feature says during a stretch of a sandbox game: one SVG below each plugin's `docs/`.

    python benchmarks/feature_plots.py

The games are made on the spot and the same everywhere, so the pictures can be drawn again at any time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
from features import with_features

from exphil_core.features.character import active_features, fighter_rows
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays
from exphil_core.testing.plugins import manager_with

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
WIDTH, LEFT, STRIP, TOP, RIGHT = 860, 170, 30, 34, 20
INK, GRID, FILL = "#1f4e79", "#d0d7de", "#9ec5e8"


@attrs.frozen(kw_only=True)
class Picture:
    """A feature's columns, from `before` frames ahead of the first frame in which `start` is not 0."""

    plugin: str
    feature: str
    cast: tuple[str, ...]
    start: str
    columns: tuple[str, ...]
    seed: int = 5
    before: int = 20
    frames: int = 160


PICTURES = (
    Picture(
        plugin="mewtwo", feature="teleport", cast=("mewtwo", "fox"), start="starting", frames=110,
        columns=("starting", "vanished", "ending", "clock", "direction_x", "moved_x", "left_x", "ready", "reach"),
    ),
    Picture(
        plugin="mewtwo", feature="shadow-ball", cast=("mewtwo", "fox"), start="charging", frames=260,
        columns=("charging", "charge", "firing", "shot", "shot_x", "shot_left", "shot_charge", "double_jump"),
    ),
    Picture(
        plugin="link", feature="item-tracking", cast=("link", "marth"), start="bomb_soon", frames=330, before=180,
        columns=(
            "bomb", "bomb_held", "bomb_theirs", "bomb_left", "bomb_x", "bomb_soon", "bomb_miss", "bomb_hits",
            "bomb_exploding", "boomerang_x", "hookshot",
        ),
    ),
    Picture(
        plugin="gameandwatch", feature="hammer", cast=("gameandwatch", "fox"), start="judging", frames=900,
        columns=("judging", "last", "before", "next_1", "next_9", "cancellable", "landing", "bucket"),
    ),
    Picture(
        plugin="ganondorf", feature="spacing", cast=("ganondorf", "marth"), start="in_own", frames=300,
        columns=("own_x", "opponent_x", "in_own", "in_opponents", "closing_x", "ahead"),
    ),
    Picture(
        plugin="zelda", feature="dual-character", cast=("zelda", "fox"), start="leaving", frames=500, seed=3,
        columns=("zelda", "sheik", "leaving", "arriving", "since_change", "other_share"),
    ),
)  # fmt: skip


def stretch(picture: Picture, manager: PluginManager) -> tuple[npt.NDArray[np.float32], list[str], str, int]:
    """The columns over the frames shown, their names, the game's name and the first frame's row."""
    (active,) = active_features(manager, [picture.feature])
    names = [column.name for column in active.entry.spec.columns]
    with tempfile.TemporaryDirectory() as folder:
        paths = make_replays(Path(folder), games=6, minutes=1.5, seed=picture.seed, characters=picture.cast)
        for path in paths:
            game = read_game(path)
            for fighter in (0, 1):
                if game.info.players[fighter].character.name != picture.cast[0]:
                    continue
                values = active.track(active.make(), fighter_rows(game, fighter))
                at = np.flatnonzero(values[:, names.index(picture.start)])
                at = at[at > picture.before]
                if len(at):
                    first = int(at[0]) - picture.before
                    return values[first : first + picture.frames], names, path.stem, first
    raise SystemExit(f"{picture.start} never happens in these games")


def strip(name: str, values: npt.NDArray[np.float32], low: float, high: float, top: float) -> str:
    """One column as a line of its own."""
    x = LEFT + np.arange(len(values)) * (WIDTH - LEFT - RIGHT) / max(len(values) - 1, 1)
    height = STRIP - 10
    y = top + height - (values - low) / (high - low) * height
    zero = top + height - (0 - low) / (high - low) * height
    # Points in the middle of a level stretch add nothing but bytes.
    same = np.r_[False, (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:]), False]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[~same], y[~same], strict=True))
    area = f"{x[0]:.1f},{zero:.1f} {points} {x[-1]:.1f},{zero:.1f}"
    return (
        f'<text x="{LEFT - 10}" y="{top + height - 4:.1f}" text-anchor="end">{name}</text>'
        f'<polygon points="{area}" fill="{FILL}" opacity="0.5"/>'
        f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.2"/>'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="{GRID}"/>'
    )


def draw(picture: Picture, manager: PluginManager) -> str:
    """The whole picture."""
    values, names, game, first = stretch(picture, manager)
    (active,) = active_features(manager, [picture.feature])
    strips = []
    for index, name in enumerate(picture.columns):
        spec = active.entry.spec.columns[names.index(name)]
        strips.append(strip(name, values[:, names.index(name)], spec.low, spec.high, TOP + index * STRIP))
    bottom = TOP + len(picture.columns) * STRIP
    ticks = "".join(
        f'<text x="{LEFT + at * (WIDTH - LEFT - RIGHT) / max(len(values) - 1, 1):.1f}" y="{bottom + 8}" '
        f'text-anchor="middle">{first + at}</text>'
        for at in range(0, len(values), max(len(values) // 6 // 10 * 10, 10))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 18}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{LEFT}" y="18" font-size="13">{picture.feature} in the sandbox game {game}, by frame row</text>\n'
        + "\n".join(strips)
        + f"\n{ticks}\n</svg>\n"
    )


def main() -> None:
    """Draw all."""
    import exphil_char_gameandwatch.plugin
    import exphil_char_ganondorf.plugin
    import exphil_char_zelda.plugin

    rest = (exphil_char_gameandwatch.plugin, exphil_char_ganondorf.plugin, exphil_char_zelda.plugin)
    manager = with_features()
    if "hammer" not in manager.names("exphil_character_features"):
        import exphil_char_link.plugin
        import exphil_char_mewtwo.plugin

        manager = manager_with(*rest, exphil_char_link.plugin, exphil_char_mewtwo.plugin)
    for picture in PICTURES:
        path = PLUGINS / f"exphil-char-{picture.plugin}" / "docs" / f"{picture.feature}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(draw(picture, manager), encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
