"""Turns clips into training batches: augmented features, both captions in one masked sequence.

Enters: clips, tokenizer, prompts and a random generator. Leaves: a `Batch` whose sequences are
`prefix | fine request and answer | global request and answer`, the prefix being all that both requests
begin with. The global branch neither sees the fine one nor comes after it in position, so each equals its
own request, and the audio is read once.
Shapes: B clips, T tokens, F frames, M mel bands.
"""

from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import MAX_SPEECH_S, token_id
from fcaps_pipeline.lab.embedded.features import Clip, Mel, pad_mels
from fcaps_pipeline.lab.embedded.forward import FRAMES_PER_CHUNK, audio_positions
from fcaps_pipeline.lab.embedded.grammar import MarkedCaption, fine_caption, global_caption
from fcaps_pipeline.lab.embedded.model_folder import request_text
from fcaps_pipeline.lab.synthesis.truth import ClipTruth

FACT_WEIGHT = 6.0
STEADY_FACT_WEIGHT = 7.5
"""Where nothing changes: a change invented is worse than one missed."""
FORCED_WEIGHT = 0.1
"""Weight of tokens the decoding grammar leaves no choice about: JSON keys and punctuation."""
PLAIN_WEIGHT = 0.7
_STRETCH = 0.15
"""Largest change of pace, as a natural logarithm."""
_MAX_FRAMES = 100 * MAX_SPEECH_S

_PREFIX, _FINE, _GLOBAL, _PADDING = 0, 1, 2, 3


@dataclass(frozen=True)
class Prompts:
    """The two instructions the captioner answers to."""

    fine: str
    global_: str


@dataclass(frozen=True)
class Batch:
    """One training step."""

    mel_BFM: torch.Tensor
    lengths_B: torch.Tensor
    tokens_BT: torch.Tensor
    positions_BT: torch.Tensor
    branch_BT: torch.Tensor
    """0 prefix, 1 fine, 2 global, 3 padding."""
    weight_BT: torch.Tensor
    """Weight of predicting the token at this place; 0 where it is given."""

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

    def facts(self) -> torch.Tensor:
        """The places whose token carries a fact, `(B, T)` bool."""
        return self.weight_BT >= FACT_WEIGHT

    def shared(self) -> "Batch":
        """The batch without what follows the last place that both requests share in the longest row."""
        length = int(self.after_audio().nonzero()[:, 1].max()) + 1
        columns = ("tokens_BT", "positions_BT", "branch_BT", "weight_BT")
        return replace(self, **{name: getattr(self, name)[:, :length] for name in columns})

    def after_audio(self) -> torch.Tensor:
        """The last place that both requests share, `(B, T)` bool: one per clip."""
        following_BT = functional.pad(self.branch_BT[:, 1:], (0, 1), value=_PADDING)
        return (self.branch_BT == _PREFIX) & (following_BT != _PREFIX)


class BatchMaker:
    """Builds batches; holds what does not change between them."""

    def __init__(self, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._tokenizer = tokenizer
        self._audio_pad = token_id(tokenizer, tok.AUDIO_PAD)
        self._turn_end = token_id(tokenizer, tok.TURN_END)
        self._padding = token_id(tokenizer, tok.END_OF_TEXT)
        before, after_fine = request_text(prompts.fine).split(tok.AUDIO_PAD)
        after_global = request_text(prompts.global_).split(tok.AUDIO_PAD)[1]
        self._before = tokenizer.encode(before).ids
        fine, global_ = tokenizer.encode(after_fine).ids, tokenizer.encode(after_global).ids
        equal = takewhile(lambda pair: pair[0] == pair[1], zip(fine, global_, strict=False))
        self._shared = [token for token, _ in equal]
        self._fine_request = fine[len(self._shared) :]
        self._global_request = global_[len(self._shared) :]

    def request_ids(self, num_frames: int, *, fine: bool) -> list[int]:
        """Tokens of one request over a clip of so many frames."""
        return self._prefix(num_frames) + (self._fine_request if fine else self._global_request)

    def _prefix(self, num_frames: int) -> list[int]:
        """Tokens that both requests begin with."""
        audio = [self._audio_pad] * int(audio_positions(torch.tensor(num_frames)))
        return self._before + audio + self._shared

    def batch(self, clips: list[Clip], rng: np.random.Generator, *, augment: bool, stretch: bool = False) -> Batch:
        """Draws captions, and variations of the features where asked, and pads them.

        Args:
            clips: of the batch.
            rng: draws.
            augment: whether the features vary in what alters no label.
            stretch: whether they vary in pace, after which the truths hold no longer.
        """
        mels = [_augment(clip.mel_FM, rng) if augment else clip.mel_FM for clip in clips]
        if stretch:
            mels = [_stretch(mel_FM, rng) for mel_FM in mels]
        return self._captioned(*pad_mels(mels, FRAMES_PER_CHUNK), [clip.truth for clip in clips], rng)

    def retold(self, batch: Batch, truths: list[ClipTruth], rng: np.random.Generator) -> Batch:
        """The same features with captions of other truths."""
        return self._captioned(batch.mel_BFM, batch.lengths_B, truths, rng)

    def _captioned(
        self, mel_BFM: torch.Tensor, lengths_B: torch.Tensor, truths: list[ClipTruth], rng: np.random.Generator
    ) -> Batch:
        rows = [self._row(int(length), truth, rng) for length, truth in zip(lengths_B, truths, strict=True)]
        longest = max(len(row[0]) for row in rows)
        fills = (self._padding, 0, _PADDING, 0.0)
        stacked = [
            torch.tensor([[*row[column], *[fill] * (longest - len(row[column]))] for row in rows])
            for column, fill in enumerate(fills)
        ]
        tokens_BT, positions_BT, branch_BT, weight_BT = stacked
        return Batch(
            mel_BFM=mel_BFM,
            lengths_B=lengths_B,
            tokens_BT=tokens_BT,
            positions_BT=positions_BT,
            branch_BT=branch_BT,
            weight_BT=weight_BT,
        )

    def _row(
        self, num_frames: int, truth: ClipTruth, rng: np.random.Generator
    ) -> tuple[list[int], list[int], list[int], list[float]]:
        """Tokens, positions, branches and weights of one clip."""
        tokens = self._prefix(num_frames)
        prefix = len(tokens)
        positions, branches, weights = list(range(prefix)), [_PREFIX] * prefix, [0.0] * prefix
        steady = truth.speech is not None and truth.speech.is_steady
        fine_fact = STEADY_FACT_WEIGHT if steady else FACT_WEIGHT
        answers = (
            (_FINE, self._fine_request, fine_caption(truth, rng), fine_fact, PLAIN_WEIGHT),
            (_GLOBAL, self._global_request, global_caption(truth, rng), FACT_WEIGHT, FORCED_WEIGHT),
        )
        for branch, request, caption, fact, plain in answers:
            ids, answer_weights = self._answer(caption, fact, plain)
            tokens += request + ids
            positions += range(prefix, prefix + len(request) + len(ids))
            branches += [branch] * (len(request) + len(ids))
            weights += [0.0] * len(request) + answer_weights
        return tokens, positions, branches, weights

    def _answer(self, caption: MarkedCaption, fact: float, plain: float) -> tuple[list[int], list[float]]:
        encoded = self._tokenizer.encode(caption.text)
        weights = [
            fact if any(start < to and at < end for at, to in caption.fact_spans) else plain
            for start, end in encoded.offsets
        ]
        return [*encoded.ids, self._turn_end], [*weights, plain]


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
