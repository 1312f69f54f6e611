"""A comparison as one HTML page, which loads nothing from anywhere: tables, and both texts with changed words marked.

Enters: `Differences`. Leaves: the page. Captions, ids and names come from strangers; nothing of them is markup here.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import groupby

from fcaps_pipeline.errors import printable
from fcaps_pipeline.release.compare.differences import MEANINGS, Differences, Example
from fcaps_pipeline.release.compare.report import Section, facts, sections

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Differences</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8885; }
article { border-top: 1px solid #8888; padding: .5rem 0; overflow-wrap: anywhere; }
.texts { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
del { background: #f664; } ins { background: #3b64; text-decoration: none; }
</style>
</head>
<body>
<h1>Differences</h1>
"""
_END = "</body>\n</html>\n"
_BREAK = "\n"
"""Stands between two captions among the words of a row."""


def page(found: Differences) -> str:
    """The whole page."""
    lines = "".join(f"<li>{_text(line)}</li>\n" for line in facts(found))
    tables = "".join(_table(section) for section in sections(found))
    examples = groupby(found.examples, key=lambda one: one.change)
    shown = "".join(
        f"<h2>{change}: {_text(MEANINGS[change])}</h2>\n" + "".join(map(_example, rows)) for change, rows in examples
    )
    return f"{_HEAD}<ul>\n{lines}</ul>\n{tables}{shown}{_END}"


def marked(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    """Two lots of captions as HTML, a paragraph each, with the words that only one has marked."""
    words_a, words_b = _words(a), _words(b)
    left: list[str] = []
    right: list[str] = []
    for kind, start_a, end_a, start_b, end_b in SequenceMatcher(None, words_a, words_b, autojunk=False).get_opcodes():
        left += _marked(words_a[start_a:end_a], None if kind == "equal" else "del")
        right += _marked(words_b[start_b:end_b], None if kind == "equal" else "ins")
    return _paragraphs(left), _paragraphs(right)


def _example(example: Example) -> str:
    left, right = marked(example.captions_a, example.captions_b)
    what = "".join(f"<li>{_text(line)}</li>" for line in example.what)
    return (
        f"<article>\n<h3>{_text(example.segment_id)}</h3>\n<ul>{what}</ul>\n"
        f'<div class="texts">\n<div>{left}</div>\n<div>{right}</div>\n</div>\n</article>\n'
    )


def _table(section: Section) -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in section.header)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>\n" for row in section.rows)
    return f"<h2>{_text(section.title)}</h2>\n<table>\n<tr>{head}</tr>\n{rows}</table>\n"


def _words(captions: Sequence[str]) -> list[str]:
    return [word for caption in captions for word in (*caption.split(), _BREAK)]


def _marked(words: Sequence[str], mark: str | None) -> Iterator[str]:
    """Words as HTML; those in a row have one mark, which ends where a caption does."""
    for is_break, stretch in groupby(words, key=lambda word: word == _BREAK):
        if is_break:
            yield from stretch
        else:
            text = _text(" ".join(stretch))
            yield text if mark is None else f"<{mark}>{text}</{mark}>"


def _paragraphs(pieces: Sequence[str]) -> str:
    stretches = (list(stretch) for is_break, stretch in groupby(pieces, key=lambda one: one == _BREAK) if not is_break)
    return "".join(f"<p>{' '.join(stretch)}</p>" for stretch in stretches)


def _text(text: str) -> str:
    return escape(printable(text))
