"""What the captioner is asked, as tokens: four requests that begin alike, with the audio.

Enters: tokenizer, prompts and the length of a clip. Leaves: the tokens that all requests about the clip begin with,
and those that each goes on with.
"""

from functools import lru_cache
from itertools import takewhile

import torch
from tokenizers import Tokenizer

from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import token_id
from fcaps_pipeline.lab.embedded.forward import audio_positions
from fcaps_pipeline.lab.embedded.model_folder import request_text
from fcaps_pipeline.records.base import Record

CAPTION_PROMPTS = ("embedded_fine.v1", "embedded_global.v1")
PROMPTS = (*CAPTION_PROMPTS, "embedded_probe.v1", "embedded_events.v1")
"""References of all that the captioner learns to answer."""
_CLAIM = "{claim}"


class Prompts(Record):
    """The instructions the captioner answers to."""

    fine: str
    global_: str
    probe: str
    """With a place for the claim."""
    events: str


def shipped_prompts() -> Prompts:
    """The instructions the captioner is trained on."""
    fine, global_, probe, events = (load_prompt(reference).text for reference in PROMPTS)
    return Prompts(fine=fine, global_=global_, probe=probe, events=events)


class Requests:
    """The tokens of the requests. Each equals `prefix` and what its own attribute or method gives."""

    def __init__(self, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._tokenizer, self._prompts = tokenizer, prompts
        self._audio_pad = token_id(tokenizer, tok.AUDIO_PAD)
        self._before = tokenizer.encode(request_text("").split(tok.AUDIO_PAD)[0]).ids
        texts = (prompts.fine, prompts.global_, prompts.events, prompts.probe.replace(_CLAIM, ""))
        after = [self._after_audio(text) for text in texts]
        self._shared = [column[0] for column in takewhile(_is_equal, zip(*after, strict=False))]
        self.fine, self.global_, self.events, _ = (ids[len(self._shared) :] for ids in after)
        self.probe = lru_cache(maxsize=4096)(self._probe)

    def prefix(self, num_frames: int) -> list[int]:
        """Tokens that all requests about a clip of so many frames begin with."""
        audio = [self._audio_pad] * int(audio_positions(torch.tensor(num_frames)))
        return self._before + audio + self._shared

    def _probe(self, sentence: str) -> list[int]:
        """What the question whether a sentence is true goes on with."""
        return self._after_audio(self._prompts.probe.replace(_CLAIM, sentence))[len(self._shared) :]

    def _after_audio(self, prompt: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(request_text(prompt).split(tok.AUDIO_PAD)[1]).ids
        return ids


def _is_equal(column: tuple[int, ...]) -> bool:
    return len(set(column)) == 1
