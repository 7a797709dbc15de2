"""The human summary of a bundle: a page that opens offline, with counts and a picture."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from bot.proof.words import NOT_PROVEN, PROVEN

AGREED: Final = frozenset({"granted", "confirmed"})
DAYS: Final = 92
"""A picture of a longer time has a bar a month instead of a day."""
WIDTH, HEIGHT = 720, 180
BAR_WIDTH: Final = 220
STYLE: Final = (
    ":root{color-scheme:light dark;--text:#1c1e21;--back:#fff;--line:#ddd;--yes:#2f7fd1;"
    "--no:#c2571a}"
    "@media(prefers-color-scheme:dark){:root{--text:#f5f5f5;--back:#17212b;--line:#2b3a48;"
    "--yes:#5aa5ee;--no:#e8935a}}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "color:var(--text);background:var(--back)}table{border-collapse:collapse;width:100%}"
    "td,th{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left}"
    "td svg{max-width:100%;height:auto}"
    "@media(max-width:34rem){td svg{width:5rem}td,th{padding:.3rem}}"
    "td.n{text-align:right}svg.chart{width:100%;height:auto}"
    ".yes{fill:var(--yes)}.no{fill:var(--no)}svg text{fill:var(--text);font:12px system-ui}"
)


class Counts:
    """What the rows of a bundle's tables add up to; as small as there are days and purposes."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()
        """By purpose and event."""
        self.days: Counter[tuple[str, bool]] = Counter()
        """By day (UTC), and whether somebody agreed."""
        self.sends: Counter[str] = Counter()
        """Sealed deliveries by state."""

    @property
    def rows(self) -> int:
        return self.events.total()

    def add(self, row: Mapping[str, Any]) -> None:
        event = str(row["event"])
        self.events[str(row["purpose"]), event] += 1
        self.days[str(row["time"])[:10], event in AGREED] += 1

    def add_seal(self, payload: Mapping[str, Any]) -> None:
        counts = payload.get("counts")
        if isinstance(counts, dict):
            self.sends.update({str(state): int(number) for state, number in counts.items()})


def summary_page(origin: str, created: str, size: int, counts: Counts) -> str:
    """Compose the page: counts with a bar each, the course of time, what is proven and what not."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Consent log: {escape(origin)}</title><style>{STYLE}</style></head><body>"
        f"<h1>Consent log</h1><p><b>{escape(origin)}</b>, {escape(created)}: {size} entries, "
        f"{counts.rows} of them in the tables.</p>"
        "<p>This page is for reading. What can be checked is in the other files; open "
        "verifier.html and drop the whole bundle on it.</p>"
        f"{_picture(counts.days)}{_events(counts.events)}{_sends(counts.sends)}"
        f"<h2>What it proves</h2><ul>{_items(PROVEN)}</ul>"
        f"<h2>What it does not prove</h2><ul>{_items(NOT_PROVEN)}</ul>"
        "</body></html>\n"
    )


def _events(counts: Counter[tuple[str, str]]) -> str:
    largest = max(counts.values(), default=1)
    rows = "".join(
        f"<tr><td>{escape(purpose or '(not opened)')}</td><td>{escape(event)}</td>"
        f'<td class="n">{count}</td><td>{_bar(count, largest, event in AGREED)}</td></tr>'
        for (purpose, event), count in sorted(counts.items())
    )
    head = "<tr><th>Purpose</th><th>Event</th><th>Count</th><th></th></tr>"
    return f"<h2>Events</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _sends(counts: Counter[str]) -> str:
    if not counts:
        return ""
    rows = "".join(
        f'<tr><td>{escape(state)}</td><td class="n">{count}</td></tr>'
        for state, count in sorted(counts.items())
    )
    head = "<tr><th>State</th><th>Count</th></tr>"
    return (
        "<h2>Sealed deliveries of the whole log</h2>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    )


def _bar(count: int, largest: int, is_yes: bool) -> str:  # noqa: FBT001 a fact of the bar
    width = max(2, round(BAR_WIDTH * count / largest))
    return (
        f'<svg width="{BAR_WIDTH}" height="14" role="img" aria-label="{count}">'
        f'<rect class="{_colour(is_yes)}" width="{width}" height="14" rx="3"/></svg>'
    )


def _colour(is_yes: bool) -> str:  # noqa: FBT001 a fact of the bar
    return "yes" if is_yes else "no"


def _picture(days: Counter[tuple[str, bool]]) -> str:
    """Draw agreements upwards from the middle, all other events downwards."""
    if not days:
        return ""
    length = len("2026-11-24") if len({day for day, _ in days}) <= DAYS else len("2026-11")
    spans: Counter[tuple[str, bool]] = Counter()
    for (day, is_yes), count in days.items():
        spans[day[:length], is_yes] += count
    names = sorted({name for name, _ in spans})
    largest, step = max(spans.values()), WIDTH / len(names)
    middle = HEIGHT / 2
    bars = "".join(
        _column(number * step, step, middle, spans[name, is_yes] / largest, is_yes)
        + f"<title>{escape(name)}: {spans[name, is_yes]}</title></rect>"
        for number, name in enumerate(names)
        for is_yes in (True, False)
        if spans[name, is_yes]
    )
    return (
        "<h2>Over time</h2><p>Up: agreed. Down: refused, withdrawn, expired, superseded, erased. "
        f"The tallest bar is {largest}.</p>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT + 20}" role="img" '
        f'aria-label="Events over time">{bars}{_labels(names)}</svg>'
    )


def _column(x: float, step: float, middle: float, part: float, is_yes: bool) -> str:  # noqa: FBT001
    height = max(1.0, part * middle)
    top = middle - height if is_yes else middle
    return (
        f'<rect class="{_colour(is_yes)}" x="{x:.1f}" y="{top:.1f}" '
        f'width="{max(step * 0.8, 0.5):.1f}" height="{height:.1f}">'
    )


def _labels(names: Sequence[str]) -> str:
    return (
        f'<text x="0" y="{HEIGHT + 15}">{escape(names[0])}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 15}" text-anchor="end">{escape(names[-1])}</text>'
    )


def _items(lines: tuple[str, ...]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)
