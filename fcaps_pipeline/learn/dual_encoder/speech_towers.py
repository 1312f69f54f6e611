"""Speech towers: from padded audio to frames that do not depend on the padding.

Enters: `audio_BT`, float32 at 16 kHz and zero after each clip's end, with `lengths_B` in samples.
Leaves: `frames_BFD` and `mask_BF`, true for the frames of the clip. Frame k of a clip stands for
the time from k / frame_rate_hz on.

Shape suffixes: B clips, T samples, F frames, D features, C channels, M mel bands.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.audio_batch import valid_mask
from fcaps_pipeline.learn.dual_encoder.config import MelTowerConfig, SpeechTowerConfig
from fcaps_pipeline.learn.dual_encoder.front_ends import HOP_SAMPLES, KaldiBank, LogMel, WhisperMel, normalize_waveform
from fcaps_pipeline.learn.dual_encoder.pretrained import Origin, enable_checkpointing
from fcaps_pipeline.learn.dual_encoder.transformer import Transformer, sinusoids
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


class SpeechTower(nn.Module, ABC):
    """What every speech tower has."""

    width: int
    """Features per frame."""

    frame_rate_hz: float
    """Frames per second."""

    min_samples: int
    """Shortest clip that gives a frame."""

    max_samples: int | None = None
    """Longest clip the tower takes; None is any."""

    @abstractmethod
    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `frames_BFD` and `mask_BF`."""

    @abstractmethod
    def gradient_checkpointing_enable(self) -> None:
        """Trades time for memory in training: layers are computed again in the backward pass."""

    def save(self, folder: Path) -> None:
        """Writes what the tower needs beside its section of the configuration and its weights."""


class MelTower(SpeechTower):
    """Log-mel features, two convolutions of stride two, a Transformer: 25 frames per second."""

    _SAMPLES_PER_FRAME = 4 * HOP_SAMPLES

    def __init__(self, config: MelTowerConfig) -> None:
        super().__init__()
        self.width = config.width
        self.frame_rate_hz = SAMPLE_RATE_HZ / self._SAMPLES_PER_FRAME
        self.min_samples = self._SAMPLES_PER_FRAME
        self.features = LogMel(config.num_mel_bins)
        self.convolutions = nn.ModuleList(
            _convolution(channels, config.width) for channels in (config.num_mel_bins, config.width)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(
            width=config.width, num_layers=config.num_layers, num_heads=config.num_heads, dropout=config.dropout
        )

    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `frames_BFD` and `mask_BF`, F = ceil(T / 640)."""
        states_BCF = self.features(audio_BT)
        counts_B = _divide_up(lengths_B, HOP_SAMPLES)
        for convolution in self.convolutions:
            # Past its end a clip must meet the same zeros in a batch as alone.
            padded_BF = ~valid_mask(counts_B, states_BCF.shape[2])
            states_BCF = functional.gelu(convolution(states_BCF.masked_fill(padded_BF[:, None], 0.0)))
            counts_B = _divide_up(counts_B, 2)
        mask_BF = valid_mask(counts_B, states_BCF.shape[2])
        positions_FD = sinusoids(states_BCF.shape[2], self.width, states_BCF.device)
        states_BFD = self.dropout(states_BCF.transpose(1, 2) + positions_FD)
        return self.transformer(states_BFD, mask_BF), mask_BF

    def gradient_checkpointing_enable(self) -> None:
        """Recomputes the Transformer's layers in the backward pass."""
        self.transformer.checkpointing = True


class _PretrainedTower(SpeechTower):
    def __init__(self, origin: Origin, config: Any, extractor: Any) -> None:
        super().__init__()
        self.width = int(config.hidden_size)
        self.frame_rate_hz = 50.0
        self.encoder: Any = origin.load_encoder(config)
        self._config = config
        self._extractor = extractor

    def gradient_checkpointing_enable(self) -> None:
        """Switches the encoder's own checkpointing on."""
        enable_checkpointing(self.encoder)

    def save(self, folder: Path) -> None:
        """Writes config.json and preprocessor_config.json of transformers."""
        self._config.save_pretrained(folder)
        self._extractor.save_pretrained(folder)


class WaveformTower(_PretrainedTower):
    """WavLM, HuBERT, wav2vec2 and UniSpeech: convolutions over the waveform, then a Transformer.

    The parts of the encoder are called one by one, because its own forward lets padding into the
    statistics of the first normalisation of the base models.
    """

    def __init__(self, origin: Origin, config: Any, extractor: Any) -> None:
        super().__init__(origin, config, extractor)
        self._kernels_strides = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.min_samples, samples_per_frame = 1, 1
        for kernel, stride in self._kernels_strides:
            self.min_samples += (kernel - 1) * samples_per_frame
            samples_per_frame *= stride
        self.frame_rate_hz = SAMPLE_RATE_HZ / samples_per_frame

    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `frames_BFD` and `mask_BF`."""
        if self._extractor.do_normalize:
            audio_BT = normalize_waveform(audio_BT, lengths_B)
        states_BCF, counts_B = audio_BT[:, None], lengths_B
        layers = self.encoder.feature_extractor.conv_layers
        for layer, (kernel, stride) in zip(layers, self._kernels_strides, strict=True):
            counts_B = (counts_B - kernel) // stride + 1
            if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
                states_BCF = layer.activation(_masked_group_norm(layer.layer_norm, layer.conv(states_BCF), counts_B))
            else:
                states_BCF = layer(states_BCF)
        mask_BF = valid_mask(counts_B, states_BCF.shape[2])
        projected = self.encoder.feature_projection(states_BCF.transpose(1, 2))
        projected_BFD = projected[0] if isinstance(projected, tuple) else projected
        return self.encoder.encoder(projected_BFD, attention_mask=mask_BF).last_hidden_state, mask_BF


class FilterBankTower(_PretrainedTower):
    """wav2vec2-BERT: a Conformer over Kaldi's filter bank, 50 frames per second."""

    def __init__(self, origin: Origin, config: Any, extractor: Any) -> None:
        super().__init__(origin, config, extractor)
        self.features = KaldiBank(extractor)
        self.min_samples = KaldiBank.WINDOW_SAMPLES + (KaldiBank.STRIDE - 1) * HOP_SAMPLES

    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `frames_BFD` and `mask_BF`."""
        features_BFM, counts_B = self.features(audio_BT, lengths_B)
        mask_BF = valid_mask(counts_B, features_BFM.shape[1])
        return self.encoder(features_BFM, attention_mask=mask_BF).last_hidden_state, mask_BF


class WhisperTower(_PretrainedTower):
    """Whisper's encoder, 50 frames per second; clips are padded to its 30 s, as it was trained."""

    _SAMPLES_PER_FRAME = 2 * HOP_SAMPLES

    def __init__(self, origin: Origin, config: Any, extractor: Any) -> None:
        super().__init__(origin, config, extractor)
        self.features = WhisperMel(extractor, num_frames=2 * int(config.max_source_positions))
        self.min_samples = self._SAMPLES_PER_FRAME
        self.max_samples = self.features.num_samples

    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `frames_BFD` and `mask_BF`; F ends with the longest clip."""
        counts_B = _divide_up(lengths_B, self._SAMPLES_PER_FRAME)
        num_frames = -(-audio_BT.shape[1] // self._SAMPLES_PER_FRAME)
        states_BFD = self.encoder(self.features(audio_BT)).last_hidden_state
        return states_BFD[:, :num_frames], valid_mask(counts_B, num_frames)


_TOWERS: dict[str, type[_PretrainedTower]] = {
    "hubert": WaveformTower,
    "unispeech": WaveformTower,
    "unispeech-sat": WaveformTower,
    "wav2vec2": WaveformTower,
    "wav2vec2-bert": FilterBankTower,
    "wavlm": WaveformTower,
    "whisper": WhisperTower,
}

_PLAIN = {
    # Masking and layer dropping draw from generators that gradient caching cannot replay, and leave
    # parameters without gradients; the adapter and the decoder belong to other tasks.
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
    "add_adapter": False,
    "decoder_layers": 0,
}


def build_speech_tower(config: SpeechTowerConfig, stored: Path | None = None) -> SpeechTower:
    """Builds the tower.

    Args:
        config: the section.
        stored: tower folder of a saved dual encoder, whose weights come later; None loads them from the origin.

    Raises:
        ModelError: the origin is missing, incomplete, or no speech encoder for 16 kHz.
    """
    if isinstance(config, MelTowerConfig):
        return MelTower(config)
    origin = Origin(str(stored), has_weights=False) if stored else Origin.find(config.name, config.revision)
    encoder_config = origin.read_config()
    kind = encoder_config.model_type
    if kind not in _TOWERS:
        raise ModelError(
            f"{origin.location} is of kind {kind}, not a speech encoder this program knows; "
            f"expected one of {', '.join(sorted(_TOWERS))}"
        )
    if getattr(encoder_config, "conv_pos_batch_norm", False):
        raise ModelError(f"{origin.location} normalises over padding (conv_pos_batch_norm); use another {kind} model")
    extractor = origin.read_feature_extractor()
    if extractor.sampling_rate != SAMPLE_RATE_HZ:
        raise ModelError(f"{origin.location} hears {extractor.sampling_rate} Hz, expected {SAMPLE_RATE_HZ} Hz")
    for name, value in _PLAIN.items():
        if hasattr(encoder_config, name):
            setattr(encoder_config, name, value)
    return _TOWERS[kind](origin, encoder_config, extractor)


def _convolution(channels: int, width: int) -> nn.Conv1d:
    convolution = nn.Conv1d(channels, width, kernel_size=3, stride=2, padding=1, bias=False)
    # The usual start would leave little of the sound beside the position signal.
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution


def _masked_group_norm(norm: nn.GroupNorm, states_BCF: torch.Tensor, counts_B: torch.Tensor) -> torch.Tensor:
    """Group normalisation with one channel per group, over the valid frames."""
    padded_B1F = ~valid_mask(counts_B, states_BCF.shape[2])[:, None]
    exact_BCF = states_BCF.float()
    mean_BC1 = exact_BCF.masked_fill(padded_B1F, 0.0).sum(dim=2, keepdim=True) / counts_B[:, None, None]
    centred_BCF = exact_BCF - mean_BC1
    squares_BCF = centred_BCF.masked_fill(padded_B1F, 0.0).square()
    variance_BC1 = squares_BCF.sum(dim=2, keepdim=True) / counts_B[:, None, None]
    normed_BCF = centred_BCF * torch.rsqrt(variance_BC1 + norm.eps)
    return (normed_BCF * norm.weight[:, None] + norm.bias[:, None]).to(states_BCF.dtype)


def _divide_up(counts_B: torch.Tensor, divisor: int) -> torch.Tensor:
    return -(-counts_B // divisor)
