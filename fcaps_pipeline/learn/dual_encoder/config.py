"""Shape of a dual encoder: a section of training jobs, and the `config.json` of a model folder.

Importing this module imports no torch, so that a job file is checked at once.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section

Device = Literal["auto", "cpu", "cuda"]
"""Where a model computes; `auto` takes the GPU where there is one."""
SpeechPooling = Literal["mean", "attention"]
TextPooling = Literal["mean", "attention", "first"]
LongTexts = Literal["truncate", "refuse"]


class _SmallTransformer(Section):
    width: Annotated[int, Field(ge=8)] = 256
    """Features per position."""

    num_layers: Annotated[int, Field(ge=1)] = 4
    """Transformer layers."""

    num_heads: Annotated[int, Field(ge=1)] = 4
    """Attention heads; they divide the width."""

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of activations dropped in training."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % (2 * self.num_heads):
            raise ValueError(f"width {self.width} is not a multiple of twice the {self.num_heads} heads")
        return self


class MelTowerConfig(_SmallTransformer):
    """Speech tower trained from scratch: log-mel features, two convolutions, a Transformer at 25 frames per second."""

    kind: Literal["mel"] = "mel"
    """Says which tower this is."""

    num_mel_bins: Annotated[int, Field(ge=8, le=80)] = 80
    """Mel bands from 0 to 8,000 Hz."""


class SmallTextTowerConfig(_SmallTransformer):
    """Text tower trained from scratch, with a byte-level BPE tokenizer learnt from the captions."""

    kind: Literal["small"] = "small"
    """Says which tower this is."""

    vocabulary_size: Annotated[int, Field(ge=300)] = 4096
    """Entries of the tokenizer at most, the 256 bytes and two special tokens included."""

    max_tokens: Annotated[int, Field(ge=2)] = 192
    """Longest text in tokens; an FCaps caption of 768 characters has about 170."""


class _PretrainedTower(Section):
    kind: Literal["pretrained"]
    """Says which tower this is."""

    name: Annotated[str, Field(min_length=1)]
    """Local folder, or name on the model hub."""

    revision: str | None = None
    """Commit, tag or branch on the hub; None is its main branch. Folders have none."""


class PretrainedSpeechTowerConfig(_PretrainedTower):
    """Any transformers speech encoder: WavLM, HuBERT, wav2vec2, UniSpeech, wav2vec2-BERT, Whisper's encoder."""


class PretrainedTextTowerConfig(_PretrainedTower):
    """Any transformers text encoder, such as RoBERTa, ModernBERT, Granite embedding or T5's encoder."""

    max_tokens: Annotated[int, Field(ge=4)] = 256
    """Longest text in tokens, special tokens included."""


class FrameProjectorConfig(Section):
    """FineLAP's second projection, which embeds every frame beside the clip: Linear and a small Transformer."""

    num_layers: Annotated[int, Field(ge=1)] = 2
    """Transformer layers."""

    num_heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads; they divide the embedding size."""

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of activations dropped in training."""


class MlpConfig(Section):
    """Two linear layers with a ReLU between them, as in FineLAP."""

    kind: Literal["mlp"] = "mlp"


class TwoMlpsConfig(Section):
    """Two such perceptrons one after the other, the second with dropout, as in CLSP."""

    kind: Literal["two_mlps"]

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of activations dropped in training. Source: recipe code of CLSP."""


class ResidualProjectionConfig(Section):
    """A linear layer plus a change of it, then LayerNorm, as in ParaSpeechCLAP."""

    kind: Literal["residual"]

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Share of the change dropped in training. Source: code of ParaSpeechCLAP."""


ProjectionConfig = MlpConfig | TwoMlpsConfig | ResidualProjectionConfig
SpeechTowerConfig = Annotated[MelTowerConfig | PretrainedSpeechTowerConfig, Field(discriminator="kind")]
TextTowerConfig = Annotated[SmallTextTowerConfig | PretrainedTextTowerConfig, Field(discriminator="kind")]


class DualEncoderConfig(Section):
    """Both towers and what joins them."""

    speech: SpeechTowerConfig = MelTowerConfig()
    """Tower that hears."""

    text: TextTowerConfig = SmallTextTowerConfig()
    """Tower that reads captions, phrases and tags."""

    speech_pooling: SpeechPooling = "mean"
    """How frames become one vector: `mean` or learnt `attention`, both over real frames only."""

    text_pooling: TextPooling = "mean"
    """How token states become one vector; `first` is the classification token of BERT-like encoders."""

    projection: Annotated[ProjectionConfig, Field(discriminator="kind")] = MlpConfig()
    """The head of each tower into the shared space."""

    embedding_size: Annotated[int, Field(ge=8)] = 512
    """Features of the shared space."""

    initial_temperature: Annotated[float, Field(ge=0.01, le=1.0)] = 0.07
    """Temperature of the clip logits at the start; the learnt scale is its inverse."""

    initial_bias: float = -10.0
    """Bias of the clip logits at the start, for sigmoid objectives only."""

    long_texts: LongTexts = "truncate"
    """What happens to a text longer than `max_tokens`: cut and counted, or refused."""

    frames: FrameProjectorConfig | None = None
    """The frame projector; None is a model of whole clips only."""

    @model_validator(mode="after")
    def _heads_divide_embedding(self) -> Self:
        if self.frames is not None and self.embedding_size % (2 * self.frames.num_heads):
            raise ValueError(
                f"embedding_size {self.embedding_size} is not a multiple of twice the "
                f"{self.frames.num_heads} heads of the frame projector"
            )
        return self
