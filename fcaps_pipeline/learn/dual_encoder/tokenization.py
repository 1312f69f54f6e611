"""Texts to tokens: apart from the model, so that loader workers can do it.

Enters: captions, phrases or tags. Leaves: `Tokens`, with the number of texts that were cut.

Shape suffixes: N texts, L tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.dual_encoder.audio_batch import valid_mask
from fcaps_pipeline.learn.dual_encoder.config import LongTexts

_PADDING = "<pad>"
_START = "<s>"
_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Tokens:
    """A padded batch of tokenized texts."""

    ids_NL: torch.Tensor
    """Token ids, int64."""

    mask_NL: torch.Tensor
    """True for tokens of the text."""

    cut_N: torch.Tensor
    """True for texts that were longer than the text tower takes and were cut; on the CPU."""

    @property
    def num_truncated(self) -> int:
        """Texts that were cut."""
        return int(self.cut_N.sum())

    def to(self, device: torch.device) -> Self:
        """The same tokens on another device."""
        return type(self)(self.ids_NL.to(device), self.mask_NL.to(device), self.cut_N)


class CaptionTokenizer(ABC):
    """Tokenizes texts up to a length; longer ones are cut and counted, or refused. Can be pickled."""

    padding_id: int

    def __init__(self, *, max_tokens: int, long_texts: LongTexts) -> None:
        self.max_tokens = max_tokens
        self._long_texts = long_texts

    def __call__(self, texts: Sequence[str], owners: Sequence[str] | None = None) -> Tokens:
        """Tokenizes a batch.

        Args:
            texts: N texts.
            owners: what each text belongs to, such as a Segment, for messages; None names it by its place.

        Raises:
            UsageError: no text, an empty one, or one too long where long texts are refused.
        """
        _check_texts(texts)
        ids = self.encode(texts, self.max_tokens + 1)
        cut_N = torch.tensor([len(one) > self.max_tokens for one in ids])
        if cut_N.any():
            if self._long_texts == "refuse":
                self._refuse(texts, int(cut_N.int().argmax()), owners)
            ids = self.encode(texts, self.max_tokens)
        return self._pad(ids, cut_N)

    @abstractmethod
    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Ids of each text with its special tokens, cut to `max_tokens`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files."""

    def _refuse(self, texts: Sequence[str], row: int, owners: Sequence[str] | None) -> NoReturn:
        name = f"text {row}" if owners is None else f"a text of {owners[row]}"
        raise UsageError(
            f"{name} is longer than the {self.max_tokens} tokens of the text tower: "
            f"{texts[row][:40]!r}...; shorten it, raise max_tokens, or set long_texts: truncate"
        )

    def _pad(self, ids: list[list[int]], cut_N: torch.Tensor) -> Tokens:
        lengths_N = torch.tensor([len(one) for one in ids])
        ids_NL = torch.full((len(ids), int(lengths_N.max())), self.padding_id)
        for row, one in enumerate(ids):
            ids_NL[row, : len(one)] = torch.tensor(one)
        return Tokens(ids_NL, valid_mask(lengths_N, ids_NL.shape[1]), cut_N)


class BpeTokenizer(CaptionTokenizer):
    """Byte-level BPE over lower-cased text, with a start token."""

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, long_texts: LongTexts) -> None:
        super().__init__(max_tokens=max_tokens, long_texts=long_texts)
        self._tokenizer = tokenizer
        self.padding_id = _known_id(tokenizer, _PADDING)
        self._start_id = _known_id(tokenizer, _START)

    @property
    def vocabulary_size(self) -> int:
        """Entries of the vocabulary."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Ids of each text after a start token."""
        encoded = self._tokenizer.encode_batch(list(texts))
        return [[self._start_id, *one.ids[: max_tokens - 1]] for one in encoded]

    def save(self, folder: Path) -> None:
        """Writes tokenizer.json."""
        folder.mkdir(parents=True, exist_ok=True)
        # Its own `save` tells a full disk by a bare Exception.
        (folder / _FILE).write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")


class PretrainedTokenizer(CaptionTokenizer):
    """The tokenizer of a transformers text encoder, with its special tokens."""

    def __init__(self, tokenizer: Any, *, max_tokens: int, long_texts: LongTexts) -> None:
        super().__init__(max_tokens=max_tokens, long_texts=long_texts)
        self._tokenizer = tokenizer
        self.padding_id = int(tokenizer.pad_token_id)

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Ids of each text between its special tokens."""
        encoded = self._tokenizer(list(texts), truncation=True, max_length=max_tokens)
        return [list(ids) for ids in encoded["input_ids"]]

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files."""
        self._tokenizer.save_pretrained(folder)


def train_bpe(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learns the merges; the result depends on nothing but the texts and the size."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[_PADDING, _START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_bpe(folder: Path) -> Tokenizer:
    """The tokenizer of a saved model.

    Raises:
        ModelError: the file is missing or damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        raise ModelError(f"{path} does not exist; the model folder is not whole: copy it again")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises the bare class, so that only its exact type tells a damaged file from a defect.
        if type(error) is not Exception:
            raise
        cause = " ".join(str(error).split())
        raise ModelError(f"{path} cannot be read ({cause}); copy the model folder again") from error


def _known_id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelError(f"the tokenizer has no token {token}; copy the text_tower folder of the model again")
    return found


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str) or not texts:
        raise UsageError(f"expected a list of at least one text, found {texts!r}")
    for row, text in enumerate(texts):
        if not text.strip():
            raise UsageError(f"text {row} of {len(texts)} is empty; leave it out")
