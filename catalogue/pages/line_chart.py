"""Geometry of a line chart of series, which the macro svg_chart draws.

Gaps stay gaps, missing values are marked on the axis, and an axis that does not begin at zero is labelled so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaven.publisher.published.values import Point, Series
from vaven.vocab.periods import parse_period

# Widths of a card of the area page on a desktop, of a phone, and of a page; the text has the same size in all.
WIDTH, NARROW, WIDE = 500, 360, 1060
HEIGHT = 270
RIGHT, TOP, BOTTOM = 14, 26, 32
COLOURS = 6
# The width of one character of an axis or a label, in units of the drawing; characters on a phone are wider in these.
CHAR, NARROW_CHAR = 8.2, 9.2
LABEL_CHARS, NARROW_LABEL_CHARS = 22, 14
LABEL_STEP = 17.0
# The axis begins at zero if the least value is below this share of the greatest; else changes would hardly show.
ZERO_SHARE = 0.45
KINDS = {"P": "provisional", "E": "provisional", "F": "provisional", "B": "break", "D": "differs"}


@dataclass(frozen=True)
class ChartText:
    """Texts and number formats of a chart in the reader's language; `axis` takes a tick and its step's decimals."""

    unit: str
    number: Callable[[float | None], str]
    axis: Callable[[float, int], str]
    label: Callable[[Series], str]
    status: Callable[[str], str]
    target: str
    baseline: str


@dataclass(frozen=True)
class Mark:
    """A point. `kind` is value, provisional, break, differs or missing; `text` is its tooltip."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class ChartLine:
    """The line of a series: `paths` are SVG paths, one for each stretch without a gap.

    A confidence interval is a band over a stretch, or whiskers (x, upper y, lower y) where no band can be drawn.
    """

    label: str
    colour: int
    paths: tuple[str, ...]
    band: str
    whiskers: tuple[tuple[float, float, float], ...]
    marks: tuple[Mark, ...]
    is_illustrative: bool


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Goal:
    """A horizontal line with a text: the target or the baseline."""

    y: float
    text: str
    kind: str


@dataclass(frozen=True)
class Label:
    """The name of a line at its end, moved so that names do not overlap. `text` may be shortened."""

    y: float
    text: str
    colour: int


@dataclass(frozen=True)
class Chart:
    """The geometry of a chart. `kinds` need a key in its caption: kinds of marks, and band if an interval is drawn."""

    width: int
    height: int
    left: float
    right: float
    top: int
    bottom: float
    lines: tuple[ChartLine, ...]
    labels: tuple[Label, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    goals: tuple[Goal, ...]
    kinds: frozenset[str]
    starts_at_zero: bool
    unit: str

    @property
    def needs_legend(self) -> bool:
        """Check that a name at a line's end was shortened."""
        return any(label.text not in {line.label for line in self.lines} for label in self.labels)


@dataclass(frozen=True)
class _Plane:
    """The mapping of days and values to coordinates."""

    left: float
    right: float
    bottom: float
    first: float
    last: float
    low: float
    high: float

    def x_of(self, period: str) -> float:
        span = self.last - self.first
        share = (_middle(period) - self.first) / span if span else 0.5
        return round(self.left + 14 + share * (self.right - self.left - 28), 1)

    def y_of(self, value: float) -> float:
        return round(self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - TOP), 1)


def draw(series: Sequence[Series], words: ChartText, *, width: int = WIDTH) -> Chart | None:
    """Lay out at most COLOURS series of one KPI on common axes; return None if no point has a value.

    Confidence interval, goals and marks of missing values are drawn for the first series, unless the series are of
    several areas, where they would overlap.
    """
    series = series[:COLOURS]
    is_one_area = len({s.area.code for s in series}) == 1
    values = _values(series, has_interval=is_one_area)
    if not values:
        return None
    goals = _goal_values(series[0]) if is_one_area else []
    extent = values + [value for _, value, _ in goals]
    ticks = nice_ticks(min(extent), max(extent))
    y_texts = [words.axis(tick, _decimals_of(ticks)) for tick in ticks]
    char, longest = (NARROW_CHAR, NARROW_LABEL_CHARS) if width <= NARROW else (CHAR, LABEL_CHARS)
    names = [words.label(s) for s in series]
    days = [_middle(p.period) for s in series for p in s.points]
    plane = _Plane(
        left=12 + char * max(len(text) for text in y_texts),
        right=width - RIGHT - (char * min(longest, max(map(len, names))) if len(series) > 1 else 0),
        bottom=HEIGHT - BOTTOM,
        first=min(days),
        last=max(days),
        low=ticks[0],
        high=ticks[-1],
    )
    lines = tuple(_line(s, i, plane, words, is_first=i == 0 and is_one_area) for i, s in enumerate(series))
    return Chart(
        width=width,
        height=HEIGHT,
        left=plane.left,
        right=plane.right,
        top=TOP,
        bottom=plane.bottom,
        lines=lines,
        labels=_labels(lines, longest) if len(lines) > 1 else (),
        x_ticks=_x_ticks(series, plane, char),
        y_ticks=tuple(Tick(plane.y_of(tick), text) for tick, text in zip(ticks, y_texts, strict=True)),
        goals=tuple(
            Goal(plane.y_of(value), f"{getattr(words, kind)} {period}: {words.number(value)}", kind)
            for kind, value, period in goals
        ),
        kinds=_kinds(lines),
        starts_at_zero=ticks[0] == 0,
        unit=words.unit,
    )


def nice_ticks(least: float, greatest: float, intervals: int = 5) -> list[float]:
    """Return two to eight round numbers that span the values; from zero if changes stay visible."""
    low = 0.0 if 0 <= least < ZERO_SHARE * greatest else least
    span = (greatest - low) or abs(greatest) or 1.0
    raw = span / intervals
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(greatest / step - 1e-9)
    if first == last:
        # A line of equal values is drawn above the axis, unless they are zero.
        first, last = (first - 1, last) if low else (first, last + 1)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _decimals_of(ticks: Sequence[float]) -> int:
    """Return the number of decimals that shows each tick exactly."""
    return next((n for n in range(7) if all(abs(round(tick, n) - tick) < 1e-9 for tick in ticks)), 6)


def _values(series: Sequence[Series], *, has_interval: bool) -> list[float]:
    """Return all values that the axis must span, with the first series' interval if that is drawn."""
    values = [p.value for s in series for p in s.points]
    if has_interval:
        values += [bound for p in series[0].points if p.value is not None for bound in (p.ci_lower, p.ci_upper)]
    return [value for value in values if value is not None]


def _goal_values(s: Series) -> list[tuple[str, float, str]]:
    """Return kind, value and period of target and baseline."""
    goals = (("target", s.target), ("baseline", s.baseline))
    return [(kind, goal[1], goal[0]) for kind, goal in goals if goal]


def _middle(period: str) -> float:
    interval = parse_period(period)
    return (interval.start.toordinal() + interval.end.toordinal()) / 2


def _x_ticks(series: Sequence[Series], plane: _Plane, char: float) -> tuple[Tick, ...]:
    """Return the periods, thinned until no two labels touch, with the last one always."""
    texts = {plane.x_of(p.period): _short(p.period) for s in series for p in s.points}
    ticks: list[Tick] = []
    for at in sorted(texts, reverse=True):
        half = len(texts[at]) * char / 2
        if not ticks or ticks[-1].at - at > half + len(ticks[-1].text) * char / 2 + 4:
            ticks.append(Tick(at, texts[at]))
    return tuple(reversed(ticks))


def _short(period: str) -> str:
    """Shorten an interval of days to its years, so that axes stay readable: 2022–2023."""
    if "/" not in period:
        return period
    start, end = (edge[:4] for edge in period.split("/"))
    return start if start == end else f"{start}–{end}"


def _labels(lines: Sequence[ChartLine], longest: int) -> tuple[Label, ...]:
    """Place names beside the last points, moved apart downwards, then up again where they leave the drawing."""
    last = {i: [mark.y for mark in line.marks if mark.kind != "missing"][-1:] for i, line in enumerate(lines)}
    ends = sorted((marks[0], i) for i, marks in last.items() if marks)
    ys = [y for y, _ in ends]
    for i in range(1, len(ys)):
        ys[i] = max(ys[i], ys[i - 1] + LABEL_STEP)
    lowest: float = HEIGHT - BOTTOM
    for i in reversed(range(len(ys))):
        ys[i] = min(ys[i], lowest)
        lowest = ys[i] - LABEL_STEP
    labels = zip(ys, ends, strict=True)
    return tuple(Label(round(y, 1), _cut(lines[i].label, longest), lines[i].colour) for y, (_, i) in labels)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _line(s: Series, i: int, plane: _Plane, words: ChartText, *, is_first: bool) -> ChartLine:
    """Lay out a line; the first one with its interval and its missing values."""
    stretches: list[list[Point]] = [[]]
    for point in s.points:
        if point.value is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    drawn = [stretch for stretch in stretches if stretch]
    label = words.label(s)
    return ChartLine(
        label=label,
        colour=i,
        paths=tuple(_path([(p, p.value) for p in stretch], plane) for stretch in drawn if len(stretch) > 1),
        band="".join(_band(stretch, plane) for stretch in drawn) if is_first else "",
        whiskers=tuple(w for stretch in drawn for w in _whiskers(stretch, plane)) if is_first else (),
        marks=tuple(_mark(p, label, plane, words) for p in s.points if is_first or p.value is not None),
        is_illustrative=any(p.method == "illustrative" for p in s.points),
    )


def _path(points: Sequence[tuple[Point, float | None]], plane: _Plane) -> str:
    return "M" + " L".join(f"{plane.x_of(p.period)},{plane.y_of(value or 0.0)}" for p, value in points)


def _has_interval(point: Point) -> bool:
    return point.ci_lower is not None and point.ci_upper is not None


def _is_band(stretch: Sequence[Point]) -> bool:
    return len(stretch) > 1 and all(map(_has_interval, stretch))


def _band(stretch: Sequence[Point], plane: _Plane) -> str:
    """Return the confidence interval of points that all have one, as a closed path."""
    if not _is_band(stretch):
        return ""
    upper = [(p, p.ci_upper) for p in stretch]
    lower = [(p, p.ci_lower) for p in reversed(stretch)]
    return _path([*upper, *lower], plane) + "Z"


def _whiskers(stretch: Sequence[Point], plane: _Plane) -> list[tuple[float, float, float]]:
    if _is_band(stretch):
        return []
    return [
        (plane.x_of(p.period), plane.y_of(p.ci_upper), plane.y_of(p.ci_lower))
        for p in stretch
        if p.ci_lower is not None and p.ci_upper is not None
    ]


def _mark(point: Point, label: str, plane: _Plane, words: ChartText) -> Mark:
    """Place a point; a missing one on the axis, with the reason."""
    x = plane.x_of(point.period)
    reason = words.status(point.status) if point.status not in ("", "A") else ""
    if point.value is None:
        return Mark(x, plane.bottom - 6, "missing", f"{label}, {point.period}: {reason or '–'}")
    text = f"{label}, {point.period}: {words.number(point.value)}" + (f" ({reason})" if reason else "")
    return Mark(x, plane.y_of(point.value), KINDS.get(point.status, "value"), text)


def _kinds(lines: Sequence[ChartLine]) -> frozenset[str]:
    kinds = {mark.kind for line in lines for mark in line.marks} - {"value"}
    return frozenset(kinds | ({"band"} if any(line.band or line.whiskers for line in lines) else set()))
