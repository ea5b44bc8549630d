"""How the rate grows with objects and connections, as small SVG files without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from side_by_side.requests_rows import Measured

WIDTH, HEIGHT, MARGIN = 560, 320, 56
COLORS = ("#666666", "#1f77b4", "#d62728")
Series = dict[str, list[tuple[float, float]]]


def write_plots(measured: Sequence[Measured], folder: Path) -> list[Path]:
    """One file for each endpoint and axis that has three points or more."""
    written: list[Path] = []
    for endpoint in sorted({each.cell.endpoint for each in measured}):
        of_endpoint = [each for each in measured if each.cell.endpoint == endpoint]
        by_connections = series_of(of_endpoint, objects=1_000)
        by_objects = series_of(of_endpoint, connections=64)
        for axis, series in (("connections", by_connections), ("objects", by_objects)):
            if series and min(len(points) for points in series.values()) >= 3:
                file = folder / f"{endpoint}-{axis}.svg"
                file.write_text(plot(series, title=f"{endpoint}: requests/s by {axis}"))
                written.append(file)
    return written


def series_of(
    measured: Sequence[Measured], *, objects: int | None = None, connections: int | None = None
) -> Series:
    """Points of each server, with one of the two held."""
    series: Series = {}
    for each in measured:
        cell = each.cell
        if cell.objects == 0:
            continue
        if objects is not None and cell.objects == objects:
            point = (float(cell.connections), each.median.rate)
        elif connections is not None and cell.connections == connections:
            point = (float(cell.objects), each.median.rate)
        else:
            continue
        series.setdefault(each.server, []).append(point)
    return {server: sorted(points) for server, points in series.items()}


def plot(series: Series, *, title: str) -> str:
    """A chart with a logarithmic x axis, and y from zero."""
    xs = sorted({x for points in series.values() for x, _ in points})
    top = _ceiling(max(y for points in series.values() for _, y in points))
    first, last = math.log(xs[0]), math.log(xs[-1])

    def at(x: float, y: float) -> str:
        across = MARGIN + (math.log(x) - first) / (last - first) * (WIDTH - 2 * MARGIN)
        up = HEIGHT - MARGIN - y / top * (HEIGHT - 2 * MARGIN)
        return f"{across:.1f},{up:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="24" font-size="14">{title}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        x0, y0 = at(xs[0], value).split(",")
        x1, _ = at(xs[-1], value).split(",")
        parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y0}" stroke="#dddddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y0}" text-anchor="end">{value / 1_000:g}k</text>')
    for x in xs:
        across, low = at(x, 0).split(",")
        parts.append(
            f'<text x="{across}" y="{float(low) + 18:.1f}" text-anchor="middle">{x:g}</text>'
        )
    for number, (server, points) in enumerate(series.items()):
        color = COLORS[number % len(COLORS)]
        line = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        left = WIDTH - MARGIN - 110
        parts.append(f'<text x="{left}" y="{24 + 16 * number}" fill="{color}">{server}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _ceiling(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(max(value, 1)))
    return math.ceil(value / step) * step
