"""Text that must be shown as it is, in places where Streamlit, Plotly, a spreadsheet or LaTeX would read markup."""

import html
import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!$~|<>:&])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}", '"': "''", "`": r"\textasciigrave{}",
}  # fmt: skip


def plain(text: str) -> str:
    """The text for a place that reads Markdown: every mark escaped, lines joined."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def for_chart(text: str) -> str:
    """The text for a Plotly label, which reads a little HTML."""
    return html.escape(" ".join(text.split()))


BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")  # letters and signs that leave no ink


def spelled_out(text: str) -> str:
    """The text with characters that cannot be seen or that turn its direction spelled out, such as ⟨U+202E⟩."""
    return "".join(f"⟨U+{ord(sign):04X}⟩" if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") or sign in BLANK
                   or 0xFE00 <= ord(sign) <= 0xFE0F or 0xE0100 <= ord(sign) <= 0xE01EF else sign for sign in text)  # fmt: skip


def visible(text: str) -> str:
    """`spelled_out`, with its lines joined."""
    return spelled_out(" ".join(text.split()))


def short(text: str, most: int = 60) -> str:
    """The text for a name: nothing invisible in it, and cut where it is too long to be one."""
    seen = visible(text)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def for_html(text: str) -> str:
    """The text for an HTML page or attribute."""
    return html.escape(visible(text), quote=True)


def for_markdown(text: str) -> str:
    """The text for a cell of a Markdown table."""
    return plain(visible(text))


def for_latex(text: str) -> str:
    """The text for a cell of a LaTeX table."""
    return "".join(_LATEX.get(sign, sign) for sign in visible(text))


def for_sheet(text: str) -> str:
    """The text for a spreadsheet's cell: never read as a formula, whatever blanks or signs it begins with."""
    begins = text.lstrip(" \t\r\n\v\f\0\ufeff\u200b\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
    formula = begins[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if formula and text else text
