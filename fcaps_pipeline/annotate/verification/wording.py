"""What a caption must not say, as patterns over its words.

A text enters; the first offending words leave, or None. Patterns match whole words, never parts of
them. They drop rather than doubt: a caption lost costs one more draw, a false one stays for ever.

Source: the faults that FCaps drops a caption for (arXiv 2601.03065), in words of our own.
"""

import re
import unicodedata
from collections.abc import Iterable


def _words(*alternatives: str) -> re.Pattern[str]:
    """Matches any alternative that is no part of a longer or hyphenated word."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])", re.IGNORECASE)


_BACKGROUND = _words(
    r"backgrounds?",
    r"nois(?:e|es|y|eless)",
    r"environments?",
    r"surroundings",
    r"rooms?",
    r"ambien(?:t|ce)",
    r"acoustics?",
    r"reverb(?:eration|erations|erant|s)?",
    r"echo(?:es|ing|y)?",
    r"record(?:ed|ings?)",
    r"microphones?",
    r"mic",
    r"studios?",
    r"audio",
    r"(?:sound|signal|line|audio) quality",
    r"(?:high|low|good|poor)[- ]fidelity",
    r"fidelity",
    r"static (?:noise|hiss|crackle|interference)",
    r"hiss",
    r"distort(?:ed|ion|ions)",
    r"clipping",
    r"music",
    r"traffic",
    r"telephone|phone (?:line|call)",
)

_ABSENCE = _words(
    r"no",
    r"not",
    r"none",
    r"nothing",
    r"never",
    r"neither",
    r"nor",
    r"without",
    r"lack(?:s|ed|ing)?",
    r"absen(?:t|ce)",
    r"devoid",
    r"free (?:of|from)",
    r"cannot",
    r"\w+n't",
)

_MULTIPLE_SPEAKERS = _words(
    r"speakers",
    r"(?:first|second|third|other|another|next|new) (?:\w+ )?(?:speaker|voice|person|man|woman|male|female)",
    r"(?:two|three|four|several|multiple|many|both|different|overlapping|alternating) (?:\w+ )?"
    r"(?:speakers|voices|people|persons|men|women|individuals)",
    r"(?:conversation|dialogue|exchange|argument) (?:between|among)",
    r"(?:a )?man and (?:a )?woman|(?:a )?woman and (?:a )?man",
    r"male and (?:a )?female (?:speaker|voice)s?|female and (?:a )?male (?:speaker|voice)s?",
)

_META = _words(
    r"as an ai",
    r"language model",
    r"(?:i|i'(?:m|ll|ve)) (?:am|can(?:not|'t)?|hear|heard|think|would|will|sorry|apologi[sz]e)",
    r"i'm",
    r"sorry",
    r"here(?:'s| is| are)",
    r"(?:the|this|that|these|provided|given|following) "
    r"(?:audio|recording|clip|sample|file|segment|caption|description)s?",
    r"(?:the|a) listeners?",
    r"(?:you|we|one) (?:can|could|may) hear",
    r"(?:caption|description|output|answer|note) ?:",
    r"certainly",
    r"of course",
)

_LEAKED = re.compile(
    r"<\|(?:[^<>|]{0,64}\|>)?|</?[a-z_]+>|\[/?INST\]|[{}]|\*\*|```|^#+ |\\[nu]|(?:^|\n)(?:assistant|user|system)\b ?:|"
    r"\ufffd|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]",
    re.IGNORECASE,
)

_REPORTED_CONTENT = _words(
    r"(?:says|saying|said|states|stating|mentions|mentioning|discusses|discussing|announces|announcing)",
    r"(?:talks|talking|speaks|speaking|asks|asking|complains|complaining) (?:about|if|whether|how|what|why|where|who)",
    r"explain(?:s|ing) (?:that|how|why|what)",
    r"the (?:word|words|sentence|phrase) [\"']",
)

_NO_SPEECH = _words(
    r"(?:no|any) (?:\w+ )?(?:speech|voice|voices|speaker|talking|words?) (?:\w+ )?(?:is|are|can be|was|were) "
    r"(?:heard|present|audible|detected|there|spoken)",
    r"no (?:\w+ )?(?:speech|voices?|speaker|talking)",
    r"(?:nobody|no one|no-one) (?:speaks|talks|is speaking|is talking|can be heard)",
    r"(?:contains?|consists? of|is) (?:only|entirely|just) (?:noise|silence|silent|music|sounds?)",
    r"without (?:any )?(?:\w+ )?(?:speech|voice|speaker)",
)

_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d\u00ab\u00bb", '\'\'""""')
_QUOTES = re.compile(r"\"(?P<double>[^\"]+)\"|(?<!\w)'(?P<single>(?:[^']|(?<=\w)'(?=\w))+)'(?!\w)")
_INTERJECTION = re.compile(
    r"a+h+|a+w+|e+h+|e+r+m*|h[ae](?:h[ae])*h?|h+m+|h+u+h+|m+|m+h+m+|o+h+|o+w+|u+h+|u+m+|"
    r"uh-?huh|ugh|phew|whoa|wow"
)
"""A sound that the voice makes: naming it quotes no words."""


def find_background(text: str) -> str | None:
    """Mentions of anything that is not the voice: place, other sounds, equipment, quality."""
    return _first(_BACKGROUND, text)


def find_absence(text: str) -> str | None:
    """Statements that something is not there."""
    return _first(_ABSENCE, text)


def find_multiple_speakers(text: str) -> str | None:
    """Signs that more than one person speaks."""
    return _first(_MULTIPLE_SPEAKERS, text)


def find_meta_phrase(text: str) -> str | None:
    """Talk about the task, the file or the writer instead of the voice."""
    return _first(_META, text)


def find_leaked_token(text: str) -> str | None:
    """Remains of templates, markup, a script other than the caption's, or characters that nobody sees.

    The last are controls, marks of direction and of no width, surrogates, private and unassigned ones.
    """
    unseen = next((one for one in text if unicodedata.category(one)[0] == "C" and one not in "\t\n"), None)
    return _first(_LEAKED, text) or (None if unseen is None else f"U+{ord(unseen):04X}")


def find_reported_content(text: str) -> str | None:
    """Verbs that introduce what is said instead of how."""
    return _first(_REPORTED_CONTENT, text)


def find_no_speech(text: str) -> str | None:
    """Statements that nobody speaks."""
    return _first(_NO_SPEECH, text)


def find_quotation(text: str) -> str | None:
    """Quoted words; quoted interjections such as "hmm" describe sounds and may stay."""
    for match in _QUOTES.finditer(text.translate(_STRAIGHT)):
        quoted = next(filter(None, match.groups()))
        words = re.findall(r"[\w-]+", quoted.lower())
        if not words or not all(_INTERJECTION.fullmatch(word) for word in words):
            return match[0]
    return None


def find_shared_ngram(text: str, transcript: str, *, length: int) -> str | None:
    """The first run of `length` words that text and transcript share."""
    spoken = set(_ngrams(split_words(transcript), length))
    return next((" ".join(ngram) for ngram in _ngrams(split_words(text), length) if ngram in spoken), None)


def find_repetition(text: str) -> str | None:
    """Words that go round in circles: a word four times running, or four words three times over."""
    words = split_words(text)
    for start in range(len(words) - 3):
        if len(set(words[start : start + 4])) == 1:
            return " ".join(words[start : start + 4])
    seen: dict[tuple[str, ...], int] = {}
    for ngram in _ngrams(words, 4):
        seen[ngram] = seen.get(ngram, 0) + 1
        if seen[ngram] == 3:
            return " ".join(ngram)
    return None


def split_words(text: str) -> list[str]:
    """Lower-case words, with apostrophes and without other punctuation."""
    return re.findall(r"\w+(?:'\w+)*", text.translate(_STRAIGHT).lower())


def _ngrams(words: list[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[offset:] for offset in range(length)), strict=False)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text.translate(_STRAIGHT))
    return match[0].strip() if match else None
