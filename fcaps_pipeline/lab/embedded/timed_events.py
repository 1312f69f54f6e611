"""Timed events as the captioner tells them: compact JSON, byte for byte what the decoding grammar permits.

Enters: truths. Leaves: the answer to the request for events, with the characters that carry a decision; what an
answer states; and what happens at each audio position of a clip, for the heads of training.
"""

import re

import torch
from pydantic import ValidationError

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.attributes.statements import COURSE_PHRASES
from fcaps_pipeline.lab.embedded.forward import POSITIONS_PER_CHUNK
from fcaps_pipeline.lab.embedded.grammar import MarkedText
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.records.captions import EventProposals

PHRASES: tuple[EventPhrase, ...] = (*COURSE_PHRASES.values(), "pauses", "whispers")
"""What the corpus has events of."""
_FORCED = re.compile(r'\{"events":\[|","start_s":|,"end_s":')
_POSITION_S = 0.08
"""The audio tower makes one position of eight frames, the last of a second excepted."""


def events_answer(truth: ClipTruth) -> MarkedText:
    """The events of a clip; all but the keys carries a decision, the end of the list too."""
    events = () if truth.speech is None else truth.speech.events
    told = ",".join(
        f'{{"phrase":"{event.phrase}","start_s":{event.start_s:.1f},"end_s":{event.end_s:.1f}}}' for event in events
    )
    text = f'{{"events":[{told}]}}'
    borders = [0, *(place for forced in _FORCED.finditer(text) for place in forced.span()), len(text)]
    spans = zip(borders[::2], borders[1::2], strict=True)
    return MarkedText(text=text, fact_spans=tuple((start, end) for start, end in spans if start < end))


def read_events(text: str) -> EventProposals | None:
    """What an answer states; None where it is no JSON of the schema."""
    try:
        return EventProposals.model_validate_json(text)
    except ValidationError:
        return None


def position_times_s(num_positions: int) -> torch.Tensor:
    """The middle of each audio position `(A,)`, in seconds of the clip."""
    index = torch.arange(num_positions)
    return index // POSITIONS_PER_CHUNK + _POSITION_S * (index % POSITIONS_PER_CHUNK + 0.5)


def happening(truths: list[ClipTruth], num_positions: int) -> torch.Tensor:
    """Which phrase is true at which audio position, `(B, A, phrases)` of 0 and 1."""
    times_A = position_times_s(num_positions)
    made_BAP = torch.zeros(len(truths), num_positions, len(PHRASES))
    for row, truth in enumerate(truths):
        for event in () if truth.speech is None else truth.speech.events:
            during_A = (times_A >= event.start_s) & (times_A < event.end_s)
            made_BAP[row, during_A, PHRASES.index(event.phrase)] = 1.0
    return made_BAP
