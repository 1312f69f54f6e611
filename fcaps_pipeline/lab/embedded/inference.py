"""Asks a captioner about clips and reads its answers.

Enters: a thinker and features of clips. Leaves: a `ClipCaptions` per clip: both captions and the facts they state.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from fcaps_pipeline.lab.embedded.batches import BatchMaker, Prompts
from fcaps_pipeline.lab.embedded.caption_facts import ReadFacts, read_fine, read_global
from fcaps_pipeline.lab.embedded.features import Mel
from fcaps_pipeline.lab.embedded.forward import Thinker
from fcaps_pipeline.lab.embedded.generation import generate_captions

_BATCH = 16


@dataclass(frozen=True)
class ClipCaptions:
    """What the captioner says about one clip."""

    fine_text: str
    global_text: str
    fine: ReadFacts
    global_: ReadFacts | None
    """None where the answer is no JSON of the schema."""


class EmbeddedCaptioner:
    """A captioner ready to be asked about many clips."""

    def __init__(self, thinker: Thinker, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._thinker = thinker.eval()
        self._tokenizer = tokenizer
        self._maker = BatchMaker(tokenizer, prompts)

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
        order = sorted(range(len(mels)), key=lambda index: len(mels[index]))
        readings: dict[int, ClipCaptions] = {}
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            batch = [mels[index] for index in chosen]
            fine, global_ = (
                generate_captions(
                    self._thinker,
                    self._tokenizer,
                    self._maker,
                    batch,
                    fine=is_fine,
                    temperature=temperature,
                    generator=generator,
                )
                for is_fine in (True, False)
            )
            for index, fine_text, global_text in zip(chosen, fine, global_, strict=True):
                readings[index] = ClipCaptions(fine_text, global_text, read_fine(fine_text), read_global(global_text))
            on_clips(len(chosen))
        return [readings[index] for index in range(len(mels))]
