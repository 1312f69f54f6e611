"""The dual encoder: two towers, their poolings and projections, and the learnt calibration of cosines.

Enters: padded audio at 16 kHz and texts. Leaves: embeddings of unit length in one space, for clips,
for texts and, where the model has a frame projector, for every frame; and logits between them.
Gradients flow through everything; for inference call `eval()` and wrap in `torch.inference_mode()`.

Shape suffixes: B clips, T samples, F frames, N texts, E embedding features.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import nn

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder import storage
from fcaps_pipeline.learn.dual_encoder.audio_batch import check_audio
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig
from fcaps_pipeline.learn.dual_encoder.config_file import read_config, write_config
from fcaps_pipeline.learn.dual_encoder.pooling import build_pooling
from fcaps_pipeline.learn.dual_encoder.projection import FrameProjector, LogitScale, Projection, cosine_matrix
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower, build_speech_tower
from fcaps_pipeline.learn.dual_encoder.text_towers import TextTower, build_text_tower
from fcaps_pipeline.learn.dual_encoder.tokenization import CaptionTokenizer, Tokens

_logger = logging.getLogger(__name__)

_FRAME_TEMPERATURE = 0.1
_FRAME_BIAS = -10.0
"""Source: FineLAP, arXiv 2604.01155."""

_TAG_TEMPERATURE = 0.07
_TAG_BIAS = 0.0
"""Source: temperature as in CLIP, arXiv 2103.00020; no bias at the start, as the bare cosines of ParaSpeechCLAP, arXiv
2603.28737, have none."""


@dataclass(frozen=True)
class SpeechEmbeddings:
    """What one pass of the speech tower gives."""

    speech_BE: torch.Tensor
    """One unit vector per clip."""

    frames_BFE: torch.Tensor | None
    """One unit vector per frame, zero at padding; None without a frame projector."""

    mask_BF: torch.Tensor
    """True for the frames of the clip."""


class DualEncoder(nn.Module):
    """Speech and text in one space.

    Attributes:
        config: what the model was built from.
        speech_tower: gives frames; knows its frame rate and limits.
        text_tower: gives token states.
        clip_scale: calibrates speech-to-text cosines.
        frame_scale: calibrates frame-to-phrase cosines.
        tag_scale: calibrates speech-to-tag cosines.
    """

    def __init__(self, config: DualEncoderConfig, speech_tower: SpeechTower, text_tower: TextTower) -> None:
        super().__init__()
        size = config.embedding_size
        self.config = config
        self.speech_tower = speech_tower
        self.text_tower = text_tower
        self.speech_pooling = build_pooling(config.speech_pooling, speech_tower.width)
        self.text_pooling = build_pooling(config.text_pooling, text_tower.width)
        self.speech_projection = Projection(config.projection, speech_tower.width, size)
        self.text_projection = Projection(config.projection, text_tower.width, size)
        self.frame_projector = (
            FrameProjector(config.frames, width=speech_tower.width, embedding_size=size) if config.frames else None
        )
        self.clip_scale = LogitScale(temperature=config.initial_temperature, bias=config.initial_bias)
        self.frame_scale = LogitScale(temperature=_FRAME_TEMPERATURE, bias=_FRAME_BIAS)
        self.tag_scale = LogitScale(temperature=_TAG_TEMPERATURE, bias=_TAG_BIAS)

    @classmethod
    def new(cls, config: DualEncoderConfig, texts_for_tokenizer: Iterable[str] = (), *, seed: int = 0) -> Self:
        """A model to train: pretrained towers with their weights, all else random.

        Args:
            config: shape of the model.
            texts_for_tokenizer: captions from which a small text tower learns its tokenizer.
            seed: decides the random weights; the global generator is left as it was.

        Raises:
            ModelError: a pretrained tower is missing, incomplete or of another architecture.
            UsageError: a small text tower, and no texts.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            speech = build_speech_tower(config.speech)
            text = build_text_tower(config.text, long_texts=config.long_texts, texts=texts_for_tokenizer)
            return cls(config, speech, text)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Self:
        """The model that `save_pretrained` wrote, on the CPU and in evaluation mode.

        Raises:
            ModelError: the folder is missing, not whole, of another kind, or its weights do not fit its configuration.
        """
        folder = Path(folder)
        config = read_config(folder)
        with torch.random.fork_rng(devices=[]):
            speech = build_speech_tower(config.speech, folder / storage.SPEECH_TOWER)
            text = build_text_tower(config.text, long_texts=config.long_texts, stored=folder / storage.TEXT_TOWER)
            model = cls(config, speech, text)
        storage.read_weights(folder, model)
        return model.eval()

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes the model folder; files of the same names are replaced."""
        self.save_configuration(Path(folder))
        storage.write_weights(Path(folder), self)

    def save_configuration(self, folder: Path) -> None:
        """Writes the model folder but for the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        self.speech_tower.save(folder / storage.SPEECH_TOWER)
        self.text_tower.save(folder / storage.TEXT_TOWER)
        write_config(folder, self.config)

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are moved there."""
        return self.clip_scale.log_scale.device

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second; frame k stands for the time from k / frame_rate_hz on."""
        return self.speech_tower.frame_rate_hz

    @property
    def tokenizer(self) -> CaptionTokenizer:
        """Tokenizes apart from the model, for instance in loader workers."""
        return self.text_tower.tokenizer

    def gradient_checkpointing_enable(self) -> None:
        """Both towers compute their layers again in the backward pass instead of keeping activations."""
        self.speech_tower.gradient_checkpointing_enable()
        self.text_tower.gradient_checkpointing_enable()

    def forward(
        self, audio_BT: torch.Tensor, lengths_B: torch.Tensor, tokens: Tokens
    ) -> tuple[SpeechEmbeddings, torch.Tensor]:
        """Both sides in one call, as distributed wrappers want it: `embed_speech` and `encode_tokens`."""
        return self.embed_speech(audio_BT, lengths_B), self.encode_tokens(tokens)

    def embed_speech(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> SpeechEmbeddings:
        """Clip and frame embeddings from one pass of the tower.

        Args:
            audio_BT: float32 at 16 kHz; what stands after a clip's end is ignored.
            lengths_B: samples per clip.

        Raises:
            UsageError: the shapes or types do not belong together.
            RecordingError: a clip is too short or too long for the tower, or not finite.
        """
        frames_BFD, mask_BF = self._run_speech_tower(audio_BT, lengths_B)
        return SpeechEmbeddings(
            speech_BE=self.speech_projection(self.speech_pooling(frames_BFD, mask_BF)),
            frames_BFE=self.frame_projector(frames_BFD, mask_BF) if self.frame_projector else None,
            mask_BF=mask_BF,
        )

    def encode_speech(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """One unit vector per clip, `(B, E)` in float32; arguments and errors as `embed_speech`."""
        frames_BFD, mask_BF = self._run_speech_tower(audio_BT, lengths_B)
        speech_BE: torch.Tensor = self.speech_projection(self.speech_pooling(frames_BFD, mask_BF))
        return speech_BE

    def encode_frames(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One unit vector per frame, `(B, F, E)` in float32, and the mask `(B, F)` of real frames.

        Raises:
            ModelError: the model has no frame projector.
            UsageError: the shapes or types do not belong together.
            RecordingError: a clip is too short or too long for the tower, or not finite.
        """
        if self.frame_projector is None:
            raise ModelError("this model embeds whole clips only; train one with a `frames` section in its model")
        frames_BFD, mask_BF = self._run_speech_tower(audio_BT, lengths_B)
        return self.frame_projector(frames_BFD, mask_BF), mask_BF

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """One unit vector per caption, phrase or tag, `(N, E)` in float32.

        A text longer than the tower takes is cut or refused, as `long_texts` of the configuration
        says; a warning is logged for cut ones, and `tokenizer` with `encode_tokens` gives their number.

        Raises:
            UsageError: no text, an empty one, or one too long where long texts are refused.
        """
        tokens = self.tokenizer(texts)
        if tokens.num_truncated:
            _logger.warning(
                "%d of %d texts are longer than %d tokens and were cut",
                tokens.num_truncated,
                len(texts),
                self.tokenizer.max_tokens,
            )
        return self.encode_tokens(tokens)

    def encode_tokens(self, tokens: Tokens) -> torch.Tensor:
        """One unit vector per tokenized text, `(N, E)` in float32."""
        tokens = tokens.to(self.device)
        states_NLD = self.text_tower(tokens.ids_NL, tokens.mask_NL)
        text_NE: torch.Tensor = self.text_projection(self.text_pooling(states_NLD, tokens.mask_NL))
        return text_NE

    def similarity(self, speech_BE: torch.Tensor, text_NE: torch.Tensor) -> torch.Tensor:
        """Cosines `(B, N)` from -1 to 1, what `fcaps score` prints."""
        return cosine_matrix(speech_BE, text_NE)

    def softmax_logits(self, speech_BE: torch.Tensor, text_NE: torch.Tensor) -> torch.Tensor:
        """Scaled cosines `(B, N)`, the logits of softmax objectives; the bias of sigmoid ones is left out."""
        return self.clip_scale.scale * cosine_matrix(speech_BE, text_NE)

    def match_logits(self, speech_BE: torch.Tensor, text_NE: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N)` of a clip and a text belonging together, for sigmoid objectives."""
        logits_BN: torch.Tensor = self.clip_scale(cosine_matrix(speech_BE, text_NE))
        return logits_BN

    def frame_logits(self, frames_BFE: torch.Tensor, phrases_PE: torch.Tensor) -> torch.Tensor:
        """Logits `(B, F, P)` of a phrase being heard in a frame."""
        logits_BFP: torch.Tensor = self.frame_scale(cosine_matrix(frames_BFE, phrases_PE))
        return logits_BFP

    def clamp_scales(self) -> None:
        """Keeps the three scales in [1, 100]; call it after each optimizer step."""
        for scale in (self.clip_scale, self.frame_scale, self.tag_scale):
            scale.clamp_()

    def _run_speech_tower(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tower = self.speech_tower
        # Where it lies: on the way to a GPU, that is the CPU, and no step waits for the GPU.
        clean_BT = check_audio(audio_BT, lengths_B, min_samples=tower.min_samples, max_samples=tower.max_samples)
        frames_BFD, mask_BF = tower(clean_BT.to(self.device), lengths_B.to(self.device))
        return frames_BFD, mask_BF
