"""HTML for notebooks: every text escaped, characters that cannot be seen spelled out."""

from collections.abc import Sequence

from prunescope.app.components.text_diff import escaped


def page(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], sentences: Sequence[str]
) -> str:
    """A title, sentences and a table."""
    body = "".join(
        f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    lines = "".join(f"<p>{escaped(sentence)}</p>" for sentence in sentences if sentence)
    head = f"<tr>{_cells('th', heads)}</tr>" if any(heads) else ""
    return f"<h4>{escaped(title)}</h4>{lines}<table>{head}{body}</table>"


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escaped(text)}</{tag}>" for text in texts)
