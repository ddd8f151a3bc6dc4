"""Formats durations for people."""


def in_words(seconds: float) -> str:
    """Returns a duration as text: 4.2 s, 12 min, 3.5 h, 4.2 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            digits = 1 if unit == 3600 and seconds < 36000 else 0
            return f"{seconds / unit:.{digits}f} {name}"
    return f"{seconds / 86400:.1f} days"
