"""Turns clips into training batches: augmented features, and everything to be answered in one masked sequence.

Enters: clips, requests, claims and a random generator. Leaves: a `Batch` whose sequences are `prefix | fine request
and answer | …`, the prefix being all that the requests begin with. Half of the clips go on with the request for a
global caption, half with that for events and with claims: each step asks everything, and no sequence is long. A branch
neither sees another one nor comes after it in position, so each equals its own request, and the audio is read once.
Shapes: B clips, T tokens, F frames, M mel bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import HOP_SAMPLES, MAX_SPEECH_S, token_id
from fcaps_pipeline.lab.embedded.claims import ClaimDraw, DrawnClaim
from fcaps_pipeline.lab.embedded.features import Clip, Mel, pad_mels
from fcaps_pipeline.lab.embedded.forward import FRAMES_PER_CHUNK
from fcaps_pipeline.lab.embedded.grammar import MarkedText, fine_caption, global_caption
from fcaps_pipeline.lab.embedded.requests import Requests
from fcaps_pipeline.lab.embedded.timed_events import events_answer
from fcaps_pipeline.lab.synthesis.truth import ClipTruth

FACT_WEIGHT = 6.0
STEADY_FACT_WEIGHT = 7.5
"""Where nothing changes: a change invented is worse than one missed."""
FORCED_WEIGHT = 0.1
"""Weight of tokens the decoding grammar leaves no choice about: JSON keys and punctuation."""
PLAIN_WEIGHT = 0.7
EVENT_WEIGHT = 4.0
CLAIM_WEIGHT = 5.0
CLAIMS_PER_CLIP = 4
_GLOBAL_SHARE = 0.5
_STRETCH = 0.15
"""Largest change of pace, as a natural logarithm."""
_MAX_FRAMES = 100 * MAX_SPEECH_S

_PADDING, _PREFIX = -1, 0


@dataclass(frozen=True)
class Branch:
    """A request without the prefix, and its answer."""

    request: list[int]
    answer: list[int]
    weights: list[float]
    """Of predicting each token of the answer."""
    facts: list[bool]
    """Whether each token carries a fact of a caption."""


@dataclass(frozen=True)
class Batch:
    """One training step."""

    mel_BFM: torch.Tensor
    lengths_B: torch.Tensor
    tokens_BT: torch.Tensor
    positions_BT: torch.Tensor
    branch_BT: torch.Tensor
    """0 prefix, from 1 on the branches in their order, -1 padding."""
    weight_BT: torch.Tensor
    """Weight of predicting the token at this place; 0 where it is given."""
    fact_BT: torch.Tensor
    """Whether the token carries a fact of a caption."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def allowed(self) -> torch.Tensor:
        """Which positions may attend to which, `(B, T, T)` bool."""
        branch = self.branch_BT
        length = branch.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
        same_request = (branch[:, None, :] == _PREFIX) | (branch[:, None, :] == branch[:, :, None])
        return causal & same_request

    def shared(self) -> "Batch":
        """The batch without what follows the last place that all requests share in the longest row."""
        length = int(self.after_audio().nonzero()[:, 1].max()) + 1
        columns = ("tokens_BT", "positions_BT", "branch_BT", "weight_BT", "fact_BT")
        return Batch(
            mel_BFM=self.mel_BFM,
            lengths_B=self.lengths_B,
            **{name: getattr(self, name)[:, :length] for name in columns},
        )

    def after_audio(self) -> torch.Tensor:
        """The last place that all requests share in each row, `(B, T)` bool."""
        following_BT = functional.pad(self.branch_BT[:, 1:], (0, 1), value=_PADDING)
        return (self.branch_BT == _PREFIX) & (following_BT != _PREFIX)


def pack(
    mel_BFM: torch.Tensor,
    lengths_B: torch.Tensor,
    prefixes: Sequence[list[int]],
    branches: Sequence[Sequence[Branch]],
    padding: int,
) -> Batch:
    """One sequence for each clip: its prefix, and its branches behind it.

    Args:
        mel_BFM: features.
        lengths_B: frames of each clip.
        prefixes: tokens of each clip.
        branches: of each clip.
        padding: token at the end of shorter sequences.
    """
    rows = [_row(prefix, some) for prefix, some in zip(prefixes, branches, strict=True)]
    longest = max(len(row[0]) for row in rows)
    fills = (padding, 0, _PADDING, 0.0, False)
    tokens_BT, positions_BT, branch_BT, weight_BT, fact_BT = (
        torch.tensor([[*row[column], *[fill] * (longest - len(row[column]))] for row in rows])
        for column, fill in enumerate(fills)
    )
    return Batch(
        mel_BFM=mel_BFM,
        lengths_B=lengths_B,
        tokens_BT=tokens_BT,
        positions_BT=positions_BT,
        branch_BT=branch_BT,
        weight_BT=weight_BT,
        fact_BT=fact_BT,
    )


def _row(
    prefix: list[int], branches: Sequence[Branch]
) -> tuple[list[int], list[int], list[int], list[float], list[bool]]:
    """Tokens, positions, branches, weights and facts of one clip."""
    start = len(prefix)
    tokens, positions, numbers = [*prefix], [*range(start)], [_PREFIX] * start
    weights, facts = [0.0] * start, [False] * start
    for number, branch in enumerate(branches, start=1):
        length = len(branch.request) + len(branch.answer)
        tokens += branch.request + branch.answer
        positions += range(start, start + length)
        numbers += [number] * length
        weights += [0.0] * len(branch.request) + branch.weights
        facts += [False] * len(branch.request) + branch.facts
    return tokens, positions, numbers, weights, facts


class BatchMaker:
    """Builds batches; holds what does not change between them."""

    def __init__(self, tokenizer: Tokenizer, requests: Requests, claims: ClaimDraw) -> None:
        self._tokenizer, self._requests, self._claims = tokenizer, requests, claims
        self._turn_end = token_id(tokenizer, tok.TURN_END)
        self._padding = token_id(tokenizer, tok.END_OF_TEXT)

    def batch(
        self,
        clips: list[Clip],
        rng: np.random.Generator,
        *,
        augment: bool,
        stretch: bool = False,
        answers: bool = True,
    ) -> Batch:
        """Draws answers and claims, and variations of the features where asked, and pads them.

        Args:
            clips: of the batch.
            rng: draws.
            augment: whether the features vary in what alters no label.
            stretch: whether they vary in pace, after which the truths hold no longer.
            answers: whether anything follows the prefix.
        """
        mels = [_augment(clip.mel_FM, rng) if augment else clip.mel_FM for clip in clips]
        if stretch:
            mels = [_stretch(mel_FM, rng) for mel_FM in mels]
        mel_BFM, lengths_B = pad_mels(mels, FRAMES_PER_CHUNK)
        if not answers:
            return pack(mel_BFM, lengths_B, self._prefixes(lengths_B), [[]] * len(clips), self._padding)
        truths = [clip.truth for clip in clips]
        return self._answered(mel_BFM, lengths_B, truths, truths, rng)

    def retold(
        self, batch: Batch, decisions: list[ClipTruth], truths: list[ClipTruth], rng: np.random.Generator
    ) -> Batch:
        """The same features, captioned as was decided; claims and events stay with the truth, pace aside.

        Args:
            batch: of features whose pace may have changed.
            decisions: what the captions are to state.
            truths: of the clips before their pace changed.
            rng: draws.
        """
        heard = [
            _at_pace(truth, int(length), decision)
            for truth, length, decision in zip(truths, batch.lengths_B, decisions, strict=True)
        ]
        return self._answered(batch.mel_BFM, batch.lengths_B, decisions, heard, rng)

    def _answered(
        self,
        mel_BFM: torch.Tensor,
        lengths_B: torch.Tensor,
        captioned: list[ClipTruth],
        truths: list[ClipTruth],
        rng: np.random.Generator,
    ) -> Batch:
        branches = [
            [self._fine(told, rng), *self._others(told, truth, rng)]
            for told, truth in zip(captioned, truths, strict=True)
        ]
        return pack(mel_BFM, lengths_B, self._prefixes(lengths_B), branches, self._padding)

    def _prefixes(self, lengths_B: torch.Tensor) -> list[list[int]]:
        return [self._requests.prefix(length) for length in lengths_B.tolist()]

    def _others(self, told: ClipTruth, truth: ClipTruth, rng: np.random.Generator) -> list[Branch]:
        """A global caption, or events and claims."""
        if rng.random() < _GLOBAL_SHARE:
            return [self._caption(self._requests.global_, global_caption(told, rng), FACT_WEIGHT, FORCED_WEIGHT)]
        claims = self._claims.draw(truth, CLAIMS_PER_CLIP, rng)
        return [self._events(truth), *(self._claim(drawn) for drawn in claims)]

    def _fine(self, truth: ClipTruth, rng: np.random.Generator) -> Branch:
        steady = truth.speech is not None and truth.speech.is_steady
        fact = STEADY_FACT_WEIGHT if steady else FACT_WEIGHT
        return self._caption(self._requests.fine, fine_caption(truth, rng), fact, PLAIN_WEIGHT)

    def _caption(self, request: list[int], caption: MarkedText, fact: float, plain: float) -> Branch:
        answer, facts = self._encode(caption)
        return Branch(request, answer, [fact if is_fact else plain for is_fact in facts], facts)

    def _events(self, truth: ClipTruth) -> Branch:
        answer, decided = self._encode(events_answer(truth))
        weights = [EVENT_WEIGHT if is_decided else FORCED_WEIGHT for is_decided in decided]
        return Branch(self._requests.events, answer, weights, [False] * len(answer))

    def _claim(self, drawn: DrawnClaim) -> Branch:
        """The first token decides; what follows it is forced."""
        answer = [*self._tokenizer.encode(drawn.claim.answer).ids, self._turn_end]
        weights = [CLAIM_WEIGHT * drawn.weight, *[FORCED_WEIGHT] * (len(answer) - 1)]
        return Branch(self._requests.probe(drawn.claim.sentence), answer, weights, [False] * len(answer))

    def _encode(self, answer: MarkedText) -> tuple[list[int], list[bool]]:
        """The tokens of an answer with its end, and which of them are marked."""
        encoded = self._tokenizer.encode(answer.text)
        marked = [any(start < to and at < end for at, to in answer.fact_spans) for start, end in encoded.offsets]
        return [*encoded.ids, self._turn_end], [*marked, False]


def _at_pace(truth: ClipTruth, num_frames: int, decision: ClipTruth) -> ClipTruth:
    """The truth of a clip at another pace: its times move, and its rate is what was decided."""
    if truth.speech is None or decision.speech is None:
        return truth
    num_samples = num_frames * HOP_SAMPLES
    factor = num_samples / truth.num_samples
    events = tuple(
        event.model_copy(update={"start_s": factor * event.start_s, "end_s": factor * event.end_s})
        for event in truth.speech.events
    )
    speech = truth.speech.model_copy(update={"events": events, "rate": decision.speech.rate})
    return truth.model_copy(update={"num_samples": num_samples, "speech": speech})


def _augment(mel_FM: npt.NDArray[np.float16], rng: np.random.Generator) -> npt.NDArray[np.float16]:
    """A smooth change of the spectrum and a raised floor, neither of which alters a label.

    Features are (log10 power + 4) / 4, so 0.1 is 4 dB.
    """
    mel = mel_FM.astype(np.float32)
    if rng.random() < 0.7:
        knots = rng.normal(0.0, 0.06, 6)
        curve = np.interp(np.linspace(0, 5, mel.shape[1]), np.arange(6), knots)
        mel = mel + (curve - curve.mean()).astype(np.float32)
    if rng.random() < 0.3:
        mel = np.maximum(mel, mel.max() - rng.uniform(0.7, 1.9))
    return mel.astype(np.float16)


def _stretch(mel_FM: Mel, rng: np.random.Generator) -> Mel:
    """The features at another pace, their pitch as it was."""
    num_frames = min(_MAX_FRAMES, int(len(mel_FM) * np.exp(rng.uniform(-_STRETCH, _STRETCH))))
    places = np.linspace(0, len(mel_FM) - 1, num_frames)
    before = places.astype(int)
    after = np.minimum(before + 1, len(mel_FM) - 1)
    share_F1 = (places - before)[:, None]
    stretched_FM: Mel = ((1 - share_F1) * mel_FM[before] + share_F1 * mel_FM[after]).astype(np.float16)
    return stretched_FM
