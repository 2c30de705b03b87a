"""Numbers for people: short, of a steady width, never "nan" without a reason."""

from __future__ import annotations

import math

_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def real(value: float, digits: int = 3) -> str:
    """A measured value with `digits` significant digits: "0.0123", "1.23", "123", "1.23e-5", "nan", "inf"."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if -4 < exponent < 5 else f"{mantissa}e{exponent}"


def scientific(value: float) -> str:
    """A value of any size in seven cells or fewer: "1.2e-3", "-1e-10", "nan", "inf"; zero is "0"."""
    if not math.isfinite(value):
        return real(value)
    if value == 0:
        return "0"
    (more, power), (one, its_power) = (f"{value:.{digits}e}".split("e") for digits in (1, 0))
    said = f"{more}e{int(power)}"
    return said if len(said) <= 7 else f"{one}e{int(its_power)}"


def norm(value: float) -> str:
    """A norm in seven cells or fewer: as a plain number where that says enough ("0.0402", "12.3"), else "1.2e-5"."""
    return real(value) if 1e-3 <= abs(value) < 1e4 else scientific(value)


def brief(value: float) -> str:
    """A setting as short as it can be said exactly enough: "0.001", "3e-4", "0.05"."""
    text = f"{value:.3g}"
    if "e" not in text and not (value and abs(value) < 1e-3):
        return text
    mantissa, _, power = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"


def count(value: float) -> str:
    """A count in five cells or fewer: "999", "12.3k", "4.56M"."""
    if not math.isfinite(value):
        return "–"
    for size, suffix in _SUFFIXES:
        if abs(value) >= size * 0.9995:
            return f"{real(value / size)}{suffix}"
    return f"{value:.0f}" if abs(value) >= 9.95 or value == int(value) else f"{value:.1f}"


def grouped(value: int) -> str:
    """A whole number with thin groups: "12,345"."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Seconds for people: "0.4 s", "42 s", "3:05", "2:03:04", "3 d 4 h"; "–" when it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{hours // 24} d {hours % 24} h"


def size(value: float) -> str:
    """Bytes: "512 B", "12.3 MiB"."""
    for unit, suffix in _BYTES:
        if value >= unit:
            return f"{real(value / unit)} {suffix}"
    return f"{value:.0f} B"


def percent(share: float) -> str:
    """A share of 1 in six cells or fewer: "97.5 %", "100 %", "0.01 %"."""
    if not math.isfinite(share):
        return "–"
    value = share * 100
    return f"{value:.0f} %" if abs(value) >= 99.95 or value == 0 else f"{value:.1f} %"


def joules(value: float) -> str:
    """Energy: "812 J", "1.23 Wh", "4.56 kWh"."""
    if not math.isfinite(value):
        return "–"
    if abs(value) < 3600:
        return f"{real(value)} J"
    hours = value / 3600
    return f"{real(hours)} Wh" if hours < 1000 else f"{real(hours / 1000)} kWh"


def mass(grams: float) -> str:
    """A mass: "0.123 g", "12.3 g", "4.56 kg"."""
    if not math.isfinite(grams):
        return "–"
    return f"{real(grams)} g" if grams < 1000 else f"{real(grams / 1000)} kg"
