"""Text towers: from tokens to states that do not depend on the padding.

Shape suffixes: N texts, L tokens, D features.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.dual_encoder.config import (
    LongTexts,
    PretrainedTextTowerConfig,
    SmallTextTowerConfig,
    TextTowerConfig,
)
from fcaps_pipeline.learn.dual_encoder.pretrained import Origin, enable_checkpointing
from fcaps_pipeline.learn.dual_encoder.tokenization import (
    BpeTokenizer,
    CaptionTokenizer,
    PretrainedTokenizer,
    read_bpe,
    train_bpe,
)
from fcaps_pipeline.learn.dual_encoder.transformer import Transformer, sinusoids

_KINDS = (
    "albert",
    "bart",
    "bert",
    "camembert",
    "data2vec-text",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "eurobert",
    "mobilebert",
    "modernbert",
    "mpnet",
    "mt5",
    "roberta",
    "roberta-prelayernorm",
    "t5",
    "umt5",
    "xlm-roberta",
)
"""Encoders whose states do not depend on the padding, as those of convbert and fnet do."""


class TextTower(nn.Module, ABC):
    """What every text tower has."""

    width: int
    """Features per token."""

    tokenizer: CaptionTokenizer
    """The tokenizer that belongs to it."""

    @abstractmethod
    def forward(self, ids_NL: torch.Tensor, mask_NL: torch.Tensor) -> torch.Tensor:
        """Returns `states_NLD`."""

    @abstractmethod
    def gradient_checkpointing_enable(self) -> None:
        """Trades time for memory in training: layers are computed again in the backward pass."""

    def save(self, folder: Path) -> None:
        """Writes what the tower needs beside its section of the configuration and its weights."""
        self.tokenizer.save(folder)


class SmallTextTower(TextTower):
    """A Transformer trained from scratch on the vocabulary of the captions."""

    def __init__(self, config: SmallTextTowerConfig, tokenizer: BpeTokenizer) -> None:
        super().__init__()
        self.width = config.width
        self.tokenizer = tokenizer
        self.embedding = nn.Embedding(tokenizer.vocabulary_size, config.width)
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(
            width=config.width, num_layers=config.num_layers, num_heads=config.num_heads, dropout=config.dropout
        )

    def forward(self, ids_NL: torch.Tensor, mask_NL: torch.Tensor) -> torch.Tensor:
        """Returns `states_NLD`."""
        # Embeddings are scaled to the size of the position signal, as in Vaswani et al., 2017, section 3.4.
        embedded_NLD = self.embedding(ids_NL) * self.width**0.5
        positions_LD = sinusoids(ids_NL.shape[1], self.width, ids_NL.device)
        states_NLD: torch.Tensor = self.transformer(self.dropout(embedded_NLD + positions_LD), mask_NL)
        return states_NLD

    def gradient_checkpointing_enable(self) -> None:
        """Recomputes the Transformer's layers in the backward pass."""
        self.transformer.checkpointing = True


class PretrainedTextTower(TextTower):
    """A transformers text encoder."""

    def __init__(self, origin: Origin, config: Any, tokenizer: PretrainedTokenizer) -> None:
        super().__init__()
        self.width = int(config.hidden_size)
        self.tokenizer = tokenizer
        self.encoder: Any = origin.load_encoder(config)
        self._config = config

    def forward(self, ids_NL: torch.Tensor, mask_NL: torch.Tensor) -> torch.Tensor:
        """Returns `states_NLD`."""
        states_NLD: torch.Tensor = self.encoder(input_ids=ids_NL, attention_mask=mask_NL.long()).last_hidden_state
        return states_NLD

    def gradient_checkpointing_enable(self) -> None:
        """Switches the encoder's own checkpointing on."""
        enable_checkpointing(self.encoder)

    def save(self, folder: Path) -> None:
        """Writes config.json of transformers and the tokenizer's files."""
        self._config.save_pretrained(folder)
        super().save(folder)


def build_text_tower(
    config: TextTowerConfig, *, long_texts: LongTexts, texts: Iterable[str] = (), stored: Path | None = None
) -> TextTower:
    """Builds the tower.

    Args:
        config: the section.
        long_texts: what its tokenizer does with a text over `max_tokens`.
        texts: captions from which a small tower learns its tokenizer.
        stored: tower folder of a saved dual encoder, whose weights come later; None loads them from the origin.

    Raises:
        ModelError: the origin is missing, incomplete, or no text encoder.
        UsageError: a new small tower got no texts.
    """
    if isinstance(config, PretrainedTextTowerConfig):
        return _build_pretrained(config, long_texts, stored)
    vocabulary = read_bpe(stored) if stored else train_bpe(_some(texts), config.vocabulary_size)
    return SmallTextTower(config, BpeTokenizer(vocabulary, max_tokens=config.max_tokens, long_texts=long_texts))


def _build_pretrained(
    config: PretrainedTextTowerConfig, long_texts: LongTexts, stored: Path | None
) -> PretrainedTextTower:
    origin = Origin(str(stored), has_weights=False) if stored else Origin.find(config.name, config.revision)
    encoder_config = origin.read_config()
    kind = encoder_config.model_type
    if kind not in _KINDS:
        raise ModelError(
            f"{origin.location} is of kind {kind}, not a text encoder this program knows; "
            f"expected one of {', '.join(_KINDS)}"
        )
    tokenizer = origin.read_tokenizer()
    limit = min(tokenizer.model_max_length, getattr(encoder_config, "max_position_embeddings", config.max_tokens))
    if config.max_tokens > limit:
        raise ModelError(
            f"max_tokens {config.max_tokens} is more than the {limit} tokens of {origin.location}; lower it"
        )
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer of {origin.location} has no padding token; give a text encoder")
    if len(tokenizer) > encoder_config.vocab_size:
        raise ModelError(
            f"the tokenizer of {origin.location} has {len(tokenizer)} entries, its encoder "
            f"{encoder_config.vocab_size}; both must come from one model"
        )
    bounded = PretrainedTokenizer(tokenizer, max_tokens=config.max_tokens, long_texts=long_texts)
    return PretrainedTextTower(origin, encoder_config, bounded)


def _some(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    if not found:
        raise UsageError("a small text tower learns its tokenizer from captions: give at least one text")
    return found
