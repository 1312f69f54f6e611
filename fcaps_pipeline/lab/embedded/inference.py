"""Asks a captioner about clips and reads its answers.

Enters: a thinker and features of clips. Leaves: a `ClipCaptions` per clip, both captions and the facts they state;
its answers to claims, as logits; its events, as text.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import token_id
from fcaps_pipeline.lab.embedded.batches import Branch, pack
from fcaps_pipeline.lab.embedded.caption_facts import ReadFacts, read_fine, read_global
from fcaps_pipeline.lab.embedded.claims import ANSWERS
from fcaps_pipeline.lab.embedded.features import Mel, pad_mels
from fcaps_pipeline.lab.embedded.forward import FRAMES_PER_CHUNK, Thinker, encode_audio, read
from fcaps_pipeline.lab.embedded.generation import generate
from fcaps_pipeline.lab.embedded.requests import Prompts, Requests

_BATCH = 64
"""One token more costs a batch of this size about as much as a single clip."""
_PROBED_BATCH = 8
"""All claims about a clip stand in one sequence."""


@dataclass(frozen=True)
class ClipCaptions:
    """What the captioner says about one clip."""

    fine_text: str
    global_text: str
    fine: ReadFacts
    global_: ReadFacts | None
    """None where the answer is no JSON of the schema."""


@dataclass(frozen=True)
class ClaimAnswer:
    """Logits of the first tokens of the three answers to one claim."""

    yes: float
    no: float
    cannot_tell: float

    @property
    def margin(self) -> float:
        """Logarithm of the odds of yes against no, in nats."""
        return self.yes - self.no

    @property
    def is_cannot_tell(self) -> bool:
        """Whether that is the likeliest answer."""
        return self.cannot_tell > max(self.yes, self.no)


class EmbeddedCaptioner:
    """A captioner ready to be asked about many clips."""

    def __init__(self, thinker: Thinker, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._thinker = thinker.eval()
        self._tokenizer = tokenizer
        self._requests = Requests(tokenizer, prompts)
        self._padding = token_id(tokenizer, tok.END_OF_TEXT)

    def caption(
        self,
        mels: list[Mel],
        on_clips: Callable[[int], None] = lambda _: None,
        *,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[ClipCaptions]:
        """Captions every clip twice, in batches of similar length.

        Args:
            mels: features of the clips.
            on_clips: told of finished clips.
            temperature: of sampling; 0 takes the likeliest token.
            seed: of sampling.
        """
        generator = torch.Generator().manual_seed(seed)
        readings: dict[int, ClipCaptions] = {}
        for chosen in _by_length(mels):
            batch = [mels[index] for index in chosen]
            fine, global_ = (
                self._generate(batch, request, temperature, generator)
                for request in (self._requests.fine, self._requests.global_)
            )
            for index, fine_text, global_text in zip(chosen, fine, global_, strict=True):
                readings[index] = ClipCaptions(fine_text, global_text, read_fine(fine_text), read_global(global_text))
            on_clips(len(chosen))
        return [readings[index] for index in range(len(mels))]

    def events(self, mels: list[Mel], on_clips: Callable[[int], None] = lambda _: None) -> list[str]:
        """The likeliest answer to the request for events, of every clip."""
        generator = torch.Generator()
        answers: dict[int, str] = {}
        for chosen in _by_length(mels):
            made = self._generate([mels[index] for index in chosen], self._requests.events, 0.0, generator)
            answers |= dict(zip(chosen, made, strict=True))
            on_clips(len(chosen))
        return [answers[index] for index in range(len(mels))]

    def probe(
        self, mels: list[Mel], sentences: list[list[str]], on_clips: Callable[[int], None] = lambda _: None
    ) -> list[list[ClaimAnswer]]:
        """Whether each of its sentences is true of a clip.

        Args:
            mels: features of the clips.
            sentences: about each clip, at least one.
            on_clips: told of finished clips.
        """
        answers: dict[int, list[ClaimAnswer]] = {}
        for chosen in _by_length(mels, _PROBED_BATCH):
            made = self._probe([mels[index] for index in chosen], [sentences[index] for index in chosen])
            answers |= dict(zip(chosen, made, strict=True))
            on_clips(len(chosen))
        return [answers[index] for index in range(len(mels))]

    def _generate(
        self, mels: list[Mel], request: list[int], temperature: float, generator: torch.Generator
    ) -> list[str]:
        requests = [self._requests.prefix(len(mel)) + request for mel in mels]
        return generate(self._thinker, self._tokenizer, requests, mels, temperature=temperature, generator=generator)

    def _probe(self, mels: list[Mel], sentences: list[list[str]]) -> list[list[ClaimAnswer]]:
        first_tokens = [self._tokenizer.encode(answer).ids[0] for answer in ANSWERS]
        mel_BFM, lengths_B = pad_mels(mels, FRAMES_PER_CHUNK)
        # The answer is asked for, whichever it is, at the place where its weight stands.
        branches = [
            [Branch(self._requests.probe(sentence), first_tokens[:1], [1.0], [False]) for sentence in some]
            for some in sentences
        ]
        prefixes = [self._requests.prefix(len(mel)) for mel in mels]
        batch = pack(mel_BFM, lengths_B, prefixes, branches, self._padding)
        with torch.inference_mode():
            audio_BAD, mask_BA = encode_audio(self._thinker, mel_BFM, lengths_B)
            hidden_BTD, _ = read(
                self._thinker, batch.tokens_BT, batch.allowed(), batch.positions_BT, audio_BAD, mask_BA
            )
            logits_NV = self._thinker.lm_head(hidden_BTD[:, :-1][batch.weight_BT[:, 1:] > 0])
        answers = (ClaimAnswer(*row) for row in logits_NV[:, first_tokens].tolist())
        return [[next(answers) for _ in some] for some in sentences]


def _by_length(mels: list[Mel], size: int = _BATCH) -> list[list[int]]:
    """Positions of the clips in batches of similar length."""
    order = sorted(range(len(mels)), key=lambda index: len(mels[index]))
    return [order[start : start + size] for start in range(0, len(order), size)]
