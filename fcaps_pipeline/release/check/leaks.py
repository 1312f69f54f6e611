"""What captions must not have from elsewhere: words of the transcript, names in it, values of tools.

Enters: rows of `data`, a stretch at a time. Leaves: findings. The words are those of the rules by which runs drop
answers; here they are looked for in what is released, whoever wrote it.
"""

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.verification.wording import find_shared_ngram, find_tool_value
from fcaps_pipeline.attributes.trait_words import ACCENTS
from fcaps_pipeline.errors import printable
from fcaps_pipeline.release.check.findings import Faults, Finding
from fcaps_pipeline.release.layout import ReleaseShard

SHARED_WORDS = 5
"""Words in a row that are taken from the transcript rather than met by chance; runs drop answers at four."""
_MAYBE_TOOL_VALUE = r"(?i)\p{Nd}|probabilit|confidence|label|classif|scor|f0|snr|lufs|arousal|valence|\["
"""Something of this stands in all that `find_tool_value` finds."""
_INSIDE_A_SENTENCE = re.compile(r"(?<=[\w,;:)'-] )[A-Z][a-zà-öø-ÿ]{2,}(?![\w-])")
"""A capital that begins no sentence; a name at the beginning of one looks like any other word."""
_MAYBE_A_NAME = r"[^.!?] \p{Lu}"
_NO_NAMES = frozenset(word.capitalize() for word in ACCENTS)
_LISTED = 5


class LeakCheck:
    """No caption has words or names of the transcript of its row, or values of tools."""

    columns: tuple[str, ...] = ("segment_id", "transcript", "recording_transcript", "global_captions", "fine_captions")

    def __init__(self) -> None:
        self._shared, self._names, self._values = Faults(), Faults(), Faults()

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`."""
        spoken = pc.coalesce(table["transcript"], table["recording_transcript"])
        for name in self.columns[3:]:
            column = table[name].combine_chunks()
            rows, texts = pc.list_parent_indices(column), pc.list_flatten(column)
            captions = pa.table(
                {"segment_id": table["segment_id"].take(rows), "text": texts, "spoken": spoken.take(rows)}
            )
            self._find_values(captions)
            self._find_words(captions.filter(pc.is_valid(captions["spoken"])))

    def findings(self) -> Iterator[Finding]:
        """A name may be a word of another meaning, which is for people to see; the others must not go out."""
        check = f"captions with {SHARED_WORDS} words in a row of the transcript"
        yield self._shared.finding(check, is_hard=True)
        yield self._names.finding("captions with a proper noun of the transcript", is_hard=False)
        yield self._values.finding("captions with values or words of tools", is_hard=True)

    def _find_values(self, captions: pa.Table) -> None:
        for segment_id, text, _ in _rows(
            captions.filter(pc.match_substring_regex(captions["text"], _MAYBE_TOOL_VALUE))
        ):
            if found := find_tool_value(text):
                self._values.add([f"{segment_id}: {printable(found)}"])

    def _find_words(self, captions: pa.Table) -> None:
        """Of captions whose transcript is known."""
        for segment_id, text, spoken in _rows(
            captions.filter(pc.match_substring_regex(captions["text"], _MAYBE_A_NAME))
        ):
            if found := find_proper_noun(text, spoken):
                self._names.add([f"{segment_id}: {found}"])
        last, words = None, frozenset[str]()
        for segment_id, text, spoken in _rows(captions):
            if spoken != last:
                last, words = spoken, frozenset(_pieces(spoken))
            if _may_share(text, words) and (found := find_shared_ngram(text, spoken, length=SHARED_WORDS)):
                self._shared.add([f"{segment_id}: {printable(found)}"])


def find_proper_noun(text: str, transcript: str) -> str | None:
    """The first name of a transcript that a caption has; accents, which captions may name, are none.

    A name has a capital inside a sentence of both. A transcript that writes all words so, or none, tells no names.
    """
    names = {found[0] for found in _INSIDE_A_SENTENCE.finditer(text)} - _NO_NAMES
    if not names:
        return None
    spoken = _INSIDE_A_SENTENCE.findall(transcript)
    if 2 * len(spoken) > len(transcript.split()):
        return None
    return next((name for name in spoken if name in names), None)


def _may_share(text: str, words: frozenset[str]) -> bool:
    """Whether so many pieces of a text in a row are among the words of a transcript, in whatever order."""
    length = 0
    for piece in _pieces(text):
        length = length + 1 if piece in words else 0
        if length == SHARED_WORDS:
            return True
    return False


def _pieces(text: str) -> list[str]:
    """Letters and digits that stand together: the words of `find_shared_ngram`, or parts of them."""
    return text.lower().translate(_BLANKS).split()


class _Blanks(dict[int, int]):
    """Puts a blank for all that is neither letter nor digit."""

    def __missing__(self, character: int) -> int:
        self[character] = character if chr(character).isalnum() else ord(" ")
        return self[character]


_BLANKS = _Blanks()


def _rows(captions: pa.Table) -> Iterator[tuple[str, str, str]]:
    segment_ids, texts, spoken = (captions[name].to_pylist() for name in ("segment_id", "text", "spoken"))
    return zip(segment_ids, texts, spoken, strict=True)
