"""How texts, counts, sizes and times are shown. Light to import."""

import difflib
import unicodedata
from collections.abc import Iterable


def pluralize(count: int | str, noun: str) -> str:
    """The number with its noun: "1 thread", "2 threads"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


# letters and signs that leave no ink
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")


def spelled_out(text: str) -> str:
    """The text with characters that cannot be seen or that turn its direction spelled out, such as
    ⟨U+202E⟩.
    """
    return "".join(
        f"⟨U+{ord(sign):04X}⟩"
        if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs")
        or sign in BLANK
        or 0xFE00 <= ord(sign) <= 0xFE0F
        or 0xE0100 <= ord(sign) <= 0xE01EF
        else sign
        for sign in text
    )


def visible(text: str) -> str:
    """`spelled_out`, with its lines joined."""
    return spelled_out(" ".join(text.split()))


def short(text: str, most: int = 60) -> str:
    """The text for a name: nothing invisible in it, and cut where it is too long to be one."""
    name = visible(text)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def error_line(error: BaseException) -> str:
    """Why something failed, as a part of a sentence: the first line of an error's text."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return f"{text} is unknown" if isinstance(error, KeyError) else text


def format_rate(value: float | None, low: float, high: float) -> str:
    """A rate with its interval: `0.861, 0.838, 0.882` → `86.1% [83.8, 88.2]`."""
    return "–" if value is None else f"{100 * value:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"


def in_percent(share: float | None) -> float | None:
    """`0.861` → `86.1`; unknown stays unknown."""
    return None if share is None else 100 * share


def format_bytes(size: int) -> str:
    """`512` → `512 B`, `90868376` → `90.9 MB`."""
    if size < 1000:
        return f"{size} B"
    unit, factor = next((u, f) for u, f in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if size >= f)
    return f"{size / factor:.1f} {unit}"


def format_duration(seconds: float | None) -> str:
    """`75.2` → `1:15`; unknown → `?`."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message, as in " Did you mean aua?"; nothing where no name is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean {near[0]}?" if near else ""
