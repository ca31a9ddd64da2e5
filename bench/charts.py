"""Small charts as SVG text: lines, steps and bars. Enough for the documentation, with nothing to install."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 720
_HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 44
_PLOT_WIDTH: Final = _WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = _HEIGHT - _TOP - _BOTTOM
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#9333ea")
_STEPS: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Named points. Bars use only the values."""

    name: str
    points: Sequence[tuple[float, float]]


def _axis(most: float) -> list[float]:
    """Round values from 0 to beyond ``most``, about five."""
    magnitude = 1.0
    while magnitude * 10 <= most / 4:
        magnitude *= 10
    while magnitude > most / 4:
        magnitude /= 10
    step = next(factor * magnitude for factor in _STEPS if factor * magnitude * 5 >= most)
    return [step * index for index in range(6)]


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#374151">{escape(text)}</text>'
    )


class Chart:
    """A chart that grows by series and ends as a document."""

    def __init__(self, title: str, *, most: float, x_label: str) -> None:
        """``most`` is the largest value that will be drawn."""
        ticks = _axis(most)
        self._top = ticks[-1]
        self._legend = 0
        self._parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
                'font-family="system-ui, sans-serif">'
            ),
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
            _text(_LEFT, 20, title, anchor="start", size=15),
            _text(_LEFT + _PLOT_WIDTH / 2, _HEIGHT - 8, x_label),
        ]
        for tick in ticks:
            y = self._y(tick)
            self._parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#e5e7eb"/>')
            self._parts.append(_text(_LEFT - 8, y + 4, f"{tick:g}", anchor="end"))

    def _y(self, value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - value / self._top)

    def label(self, position: float, text: str) -> None:
        """Write under the x axis, ``position`` from 0 to 1."""
        self._parts.append(_text(_LEFT + _PLOT_WIDTH * position, _HEIGHT - _BOTTOM + 16, text))

    def _name(self, name: str, colour: str) -> None:
        x = _WIDTH - _RIGHT - 130 * (self._legend + 1)
        self._legend += 1
        self._parts.append(f'<rect x="{x}" y="11" width="12" height="10" fill="{colour}"/>')
        self._parts.append(_text(x + 18, 20, name, anchor="start"))

    def line(self, series: Series, *, x_most: float, steps: bool = False) -> None:
        """Points from x 0 to ``x_most``; with ``steps`` a value holds until the next."""
        colour = _COLOURS[self._legend]
        path = ""
        for x, value in series.points:
            across, down = _LEFT + _PLOT_WIDTH * x / x_most, self._y(value)
            path += f"M{across:.1f} {down:.1f}" if not path else ""
            path += f"H{across:.1f}V{down:.1f}" if steps else f"L{across:.1f} {down:.1f}"
        self._parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        self._name(series.name, colour)

    def bars(self, labels: Sequence[str], values: Sequence[float]) -> None:
        """One bar for each label."""
        width = 1 / len(labels)
        for index, (label, value) in enumerate(zip(labels, values, strict=True)):
            y = self._y(value)
            self._parts.append(
                f'<rect x="{_LEFT + _PLOT_WIDTH * (index + 0.15) * width:.1f}" y="{y:.1f}" '
                f'width="{_PLOT_WIDTH * 0.7 * width:.1f}" height="{self._y(0) - y:.1f}" fill="{_COLOURS[0]}"/>'
            )
            self.label((index + 0.5) * width, label)

    def svg(self) -> str:
        return "\n".join([*self._parts, "</svg>", ""])
