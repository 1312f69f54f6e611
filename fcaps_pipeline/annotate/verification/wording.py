"""What a caption must not say, as patterns over its words.

A text enters; the first offending words leave, or None. Patterns match whole words, never parts of
them. They drop rather than doubt: a caption lost costs one more draw, a false one stays for ever.

Source: the faults that FCaps drops a caption for (arXiv 2601.03065), in words of our own.
"""

import re
import unicodedata
from collections.abc import Iterable

from fcaps_pipeline.annotate.verification.patterns import COMPARED, STRAIGHT, VOICE_PART, first_of, whole

_ABSENCE = whole(
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

_MULTIPLE_SPEAKERS = whole(
    r"speakers",
    r"(?:first|second|third|other|another|next|new) (?:\w+,? )?(?:speaker|voice|person|man|woman|male|female)",
    r"(?:two|three|four|several|multiple|many|both|different|overlapping|alternating) (?:\w+ )?"
    r"(?:speakers|voices|people|persons|men|women|individuals|friends|colleagues|strangers|girls|boys|children|siblings)",
    r"(?:takes?|taking) turns|trad(?:e|es|ing) (?:\w+,? ){0,2}(?:remarks|words|jokes|lines|barbs|insults)",
    r"the interview(?:er|ee)",
    r"(?:conversation|dialogue|exchange|argument) (?:between|among)",
    r"(?:a )?man and (?:a )?woman|(?:a )?woman and (?:a )?man",
    r"male and (?:a )?female (?:speaker|voice)s?|female and (?:a )?male (?:speaker|voice)s?",
)

_PERSON = r"(?:man|woman|boy|girl|child|person|friend|mother|father|lady|gentleman|baby|teenager|guest|host)"
_VOICE = r"(?:voice|speaker)"
_SOMEBODY = whole(_PERSON, _VOICE, r"s?he|her|his|him")
_JOINED = r"(?:and|then|while|(?<!as )when|before|until|but) (?:then )?"
_ANSWERS = (
    r"(?:answer(?:s|ed|ing)?|repl(?:y|ies|ied)|respond(?:s|ed|ing)?|chim(?:es?|ed|ing)|join(?:s|ed|ing)?|"
    r"interrupt(?:s|ed|ing)?|interject(?:s|ed|ing)?|cuts? in|breaks? in)"
)
_SOMEBODY_ELSE = whole(
    rf"{_JOINED}(?:an?|another) (?:\w+,? ){{0,3}}{_PERSON} (?:\w+ ){{0,2}}"
    rf"(?:{_ANSWERS}|speaks?|asks?|laughs?|says?|shouts?|talks?|adds?|giggles?)",
    rf"{_JOINED}(?:an? (?:\w+,? ){{0,3}}{_VOICE} (?:\w+ ){{0,2}}{_ANSWERS}|another (?:\w+,? ){{0,3}}{_VOICE})",
)
"""Who is brought in after one was there: any new person, but a voice only where it answers, as one has many voices."""
_WITHIN_COMPARISON = re.compile(rf"{COMPARED.pattern}(?<!, )", re.IGNORECASE)
"""What a conjunction stands in without leading out of it."""

_META = whole(
    r"as an ai",
    r"language model",
    r"(?:i|i'(?:m|ll|ve)) (?:am|can(?:not|'t)?|hear|heard|think|would|will|sorry|apologi[sz]e)",
    r"i'm",
    r"sorry",
    r"here(?:'s| is| are)",
    r"(?:the|this|that|these|provided|given|following) "
    r"(?:audio|recording|clip|sample|file|segment|caption|description)s?",
    r"(?:you|we|one) (?:can|could|may) hear",
    r"(?:caption|description|output|answer|note) ?:",
    r"certainly",
    r"of course",
)

_LISTENER = r"(?:(?:the|an?) )?listeners?"
_LISTENERS = whole(_LISTENER)
_LISTENERS_HEAR = whole(
    rf"{_LISTENER},?(?: (?:who|that))? (?:\w+ly |also |still )?"
    r"(?:can|could|may|might|will|would|must|should|hears?|senses?|feels?|finds?|notices?|perceives?|gets?|is|are|has|"
    r"have|imagines?|knows?|understands?|thinks?|listens?|experiences?|detects?|picks?|recogni[sz]es?|infers?)"
)
_ADDRESSING = re.compile(
    rf"{COMPARED.pattern}|"
    r"\b(?:to|for|towards?|at|with|upon|on|around|near|(?:draw|pull|invit|hold|keep|engag|lull|sooth|captivat|address|"
    r"beckon|coax|lur|reach|envelop|grip|charm|comfort|reassur|challeng|guid|carr|lead|hook|wrap|teas|welcom|bring|leav|"
    r"ask|urg|tempt|catch|touch|mov|entic|mesmeri[sz]|press|warn|tak|surround|persuad|convinc|startl|giv|offer)[a-z]*) "
    r"(?:(?:an?|the|any|every|each|his|her|its) )?(?:[\w-]{1,20} )?$",
    re.IGNORECASE,
)
"""Before those whom a voice turns to: a picture of its style, as long as they do nothing themselves."""

_LEAKED = re.compile(
    r"<\|(?:[^<>|]{0,64}\|>)?|</?[a-z_]+>|\[/?INST\]|[{}]|\*\*|```|^#+ |\\[nu]|(?:^|\n)(?:assistant|user|system)\b ?:|"
    r"\ufffd|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]",
    re.IGNORECASE,
)

_MANNER = (
    r"(?:\w+ly|(?:each|every|the|her|his|all|these|those|this|it|them|one|a|an|its) (?:\w+ ){0,2}"
    r"(?:words?|syllables?|lines?|phrases?|sentences?|vowels?|names?|rest|it|them|thing)|it|them|in|with|at|as|under|through|"
    r"over|while|like)\b"
)
"""How words are said: no content follows."""
_STYLE = rf"(?:{VOICE_PART}|\w+ness|close|ending|edge|quality|finish|lilt|accent)"
_SHAPE = (
    r"(?:(?!in |on |at |along |with |to |about |from )\w+,? ){0,4}"
    r"(?:arcs?|arch(?:es)?|curves?|contours?|loops?|slopes?|swoops?|waves?|spirals?|glides?|parabolas?|zigzags?|"
    r"(?:straight|flat|level|smooth|rising|falling) lines?|rises?|falls?|descents?|ascents?|slides?|swells?|circles?)"
)
"""What a melody draws when it is said to describe something."""
_GOODS = (
    r"(?:help|advice|assistance|directions|drinks?|tea|coffee|water|food|money|seats?|jobs?|lifts?|congratulations|"
    r"condolences)"
)
_REPORTED_CONTENT = whole(
    rf"(?:says|saying|said|states|stating|announces|announcing|declares|declaring)(?! {_MANNER})(?! *[.,;])",
    r"(?:mentions|mentioning|discusses|discussing)",
    r"(?:talks|talking|speaks|speaking|asks|asking|complains|complaining) (?:about|if|whether|how|what|why|where|who)",
    r"explain(?:s|ing) (?:that|how|why|what)",
    r"(?:apologi[sz]|warn|promis|admitt?|confess|remind|insist|claim|argu|report|inform|urg|begg?|congratulat|"
    r"reminisc|jok|boast|bragg?|confid|order)(?:e?s|ing) "
    rf"(?:that|about|for|to|(?:the|an?|some|his|her|him|them|someone) (?!(?:\w+ )?{_STYLE} )(?:\w+ ){{0,2}}"
    r"(?:to|that|about))",
    r"offer(?:s|ing) (?:to (?!(?:an?|the|any|every) )\w+|"
    rf"(?:him|them|us|you|someone|somebody|people|everyone|her (?=an? |some ))(?! {_MANNER})|"
    rf"(?:an? |some |his |her )?(?:(?:\w+ )?of |\w+ )?{_GOODS})",
    r"orders? (?:an?|some)",
    r"introduc(?:es|ing) (?:herself|himself)",
    r"(?:tells|telling) (?:an?|the|his|her) (?:\w+ )?(?:story|tale|joke|anecdote)",
    r"(?:tells|telling) (?:someone|somebody|him|her|them|us|me|people|everyone|(?:his|her|the|a) \w+) "
    r"(?:to|that|about|how|what|why)",
    r"(?<!pitch )(?<!melody )(?<!intonation )(?<!inflection )(?<!contour )(?<!cadence )"
    rf"(?:describes|describing|recounts|recounting)(?! {_MANNER})(?! {_SHAPE})(?! *[.,;])",
    r"(?:thanks|thanking) (?:her|his|him|the|an?|you|everyone|them|someone|somebody)",
    r"(?:subject|topic|theme|content) of (?:her|his|the|this) (?:\w+ )?"
    r"(?:speech|words|talk|sentence|line|phrase|message|remarks?)",
    r"(?:speaking|talking) of|on the (?:subject|topic) of",
    r"(?:weather forecasts?|news reports?|recipes?|shopping lists?)",
    r"the (?:word|words|sentence|phrase) [\"']",
)

_NO_SPEECH = whole(
    r"(?:no|any) (?:\w+ )?(?:speech|voice|voices|speaker|talking|words?) (?:\w+ )?(?:is|are|can be|was|were) "
    r"(?:heard|present|audible|detected|there|spoken)",
    r"no (?:\w+ )?(?:speech|voices?|speaker|talking)",
    r"(?:nobody|no one|no-one) (?:speaks|talks|is speaking|is talking|can be heard)",
    r"(?:contains?|consists? of|is) (?:only|entirely|just) (?:noise|silence|silent|music|sounds?)",
    r"without (?:any )?(?:\w+ )?(?:speech|voice|speaker)",
)

_QUOTES = re.compile(r"\"(?P<double>[^\"]+)\"|(?<!\w)'(?P<single>(?:[^']|(?<=\w)'(?=\w))+)'(?!\w)")
_FOR_A_VOICE = re.compile(
    r",? (?:\w+ )?(?:voice|tone|quality|timbre|texture|delivery|edge|drawl|accent|manner|style|sound|lilt)\b",
    re.IGNORECASE,
)
"""What follows a word that is quoted because it is a picture."""
_TOOL_VALUE = whole(
    r"\d+(?:\.\d+)? ?(?:hz|khz|db|lufs|ms|bpm|wpm|percent|semitones?)",
    r"\d+(?:\.\d+)? ?%",
    r"\d+(?:\.\d+)? (?:words|syllables|phones|beats) (?:per|an?) (?:minute|second)",
    r"\d+\.\d+",
    r"probabilit(?:y|ies)",
    r"confidence (?:score|level|value|of)",
    r"(?:the |a )?(?:predicted |emotion |class |speaker )?labels?",
    r"classifi(?:er|ers|ed as|cation)",
    r"scor(?:e|es|ed) (?:of|at)",
    r"f0|snr|lufs|arousal|valence",
    r"\[[^\]\n]{0,80}\]",
)
_INTERJECTION = re.compile(
    r"a+h+|a+w+|e+h+|e+r+m*|h[ae](?:h[ae])*h?|h+m+|h+u+h+|m+|m+h+m+|o+h+|o+w+|u+h+|u+m+|"
    r"uh-?huh|ugh|phew|whoa|wow"
)
"""A sound that the voice makes: naming it quotes no words."""


def find_absence(text: str) -> str | None:
    """Statements that something is not there."""
    return first_of(_ABSENCE, text)


def find_multiple_speakers(text: str) -> str | None:
    """Signs that more than one person speaks; `as if two friends whispered` is a picture."""
    if found := first_of(_MULTIPLE_SPEAKERS, text, unless_after=COMPARED):
        return found
    somebody = _SOMEBODY.search(text)
    return first_of(_SOMEBODY_ELSE, text, start=somebody.end(), unless_after=_WITHIN_COMPARISON) if somebody else None


def find_meta_phrase(text: str) -> str | None:
    """Talk about the task, the file, the writer or who listens instead of the voice."""
    return (
        first_of(_META, text)
        or first_of(_LISTENERS_HEAR, text, unless_after=COMPARED)
        or first_of(_LISTENERS, text, unless_after=_ADDRESSING)
    )


def find_leaked_token(text: str) -> str | None:
    """Remains of templates, markup, a script other than the caption's, or characters that nobody sees.

    The last are controls, marks of direction and of no width, surrogates, private and unassigned ones.
    """
    unseen = next((one for one in text if unicodedata.category(one)[0] == "C" and one not in "\t\n"), None)
    return first_of(_LEAKED, text) or (None if unseen is None else f"U+{ord(unseen):04X}")


def find_reported_content(text: str) -> str | None:
    """Verbs that introduce what is said instead of how; `as if telling someone to hurry` is how."""
    return first_of(_REPORTED_CONTENT, text, unless_after=COMPARED)


def find_no_speech(text: str) -> str | None:
    """Statements that nobody speaks."""
    return first_of(_NO_SPEECH, text)


def find_quotation(text: str) -> str | None:
    """Quoted words; interjections such as "hmm" describe sounds, and a 'smoky' voice quotes nobody."""
    text = text.translate(STRAIGHT)
    for match in _QUOTES.finditer(text):
        quoted = next(filter(None, match.groups()))
        words = re.findall(r"[\w-]+", quoted.lower())
        if words and all(_INTERJECTION.fullmatch(word) for word in words):
            continue
        if len(words) != 1 or _FOR_A_VOICE.match(text, match.end()) is None:
            return match[0]
    return None


def find_tool_value(text: str) -> str | None:
    """Measured numbers and the words of tools, which nobody who listens would write."""
    return first_of(_TOOL_VALUE, text)


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
    return re.findall(r"\w+(?:'\w+)*", text.translate(STRAIGHT).lower())


def _ngrams(words: list[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[offset:] for offset in range(length)), strict=False)
