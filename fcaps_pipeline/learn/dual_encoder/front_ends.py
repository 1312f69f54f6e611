"""What the speech towers hear: waveform normalisation and mel features, batched and on any device.

Enters: `audio_BT`, float32 at 16 kHz, zero after each clip's end. Each front end gives a clip the
same features alone and in a batch, and those of the feature extractor that its tower was trained with.

Shape suffixes: B clips, T samples, F frames, W samples of a window, M mel bands.
"""

from typing import Any

import torch
import torchaudio.functional
from torch import nn
from torch.nn import functional

from fcaps_pipeline.learn.dual_encoder.audio_batch import valid_mask
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

HOP_SAMPLES = 160

_VARIANCE_FLOOR = 1e-7


def full_precision(audio_BT: torch.Tensor) -> torch.autocast:
    """Autocast off: spectra lose their quiet half in 8 bits of mantissa."""
    return torch.autocast(audio_BT.device.type, enabled=False)


def normalize_waveform(audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance over each clip; zero after its end."""
    mask_BT = valid_mask(lengths_B, audio_BT.shape[1])
    mean_B1 = audio_BT.sum(dim=1, keepdim=True) / lengths_B[:, None]
    centred_BT = (audio_BT - mean_B1).masked_fill(~mask_BT, 0.0)
    variance_B1 = centred_BT.square().sum(dim=1, keepdim=True) / lengths_B[:, None]
    return centred_BT / torch.sqrt(variance_B1 + _VARIANCE_FLOOR)


class LogMel(nn.Module):
    """Log-mel power at 100 frames per second, centred on each frame; the level of the input stays visible."""

    WINDOW_SAMPLES = 1024
    """64 ms separate the harmonics of low voices, which 25 ms blur."""

    _FLOOR = 1e-6
    _window_W: torch.Tensor
    _bank_WM: torch.Tensor

    def __init__(self, num_mel_bins: int) -> None:
        super().__init__()
        bank_WM = torchaudio.functional.melscale_fbanks(
            self.WINDOW_SAMPLES // 2 + 1, 0.0, SAMPLE_RATE_HZ / 2, num_mel_bins, SAMPLE_RATE_HZ
        )
        self.register_buffer("_bank_WM", bank_WM, persistent=False)
        self.register_buffer("_window_W", torch.hann_window(self.WINDOW_SAMPLES), persistent=False)

    def forward(self, audio_BT: torch.Tensor) -> torch.Tensor:
        """Returns `(B, M, F)` with F = ceil(T / 160), about -2 for silence and 2 for loud speech."""
        margin = (self.WINDOW_SAMPLES - HOP_SAMPLES) // 2
        padding = -audio_BT.shape[1] % HOP_SAMPLES
        with full_precision(audio_BT):
            padded_BT = functional.pad(audio_BT, (margin, margin + padding))
            # Clip by clip the spectrum stays in the cache of a processor: four times as fast as all at once.
            mel_BMF = torch.stack([self._bank_WM.T @ self._power(clip_T) for clip_T in padded_BT])
            return (mel_BMF.clamp(min=self._FLOOR).log10() + 2.0) / 2.0

    def _power(self, clip_T: torch.Tensor) -> torch.Tensor:
        """Power spectrum `(W // 2 + 1, F)`."""
        spectrum_WF = torch.stft(
            clip_T, self.WINDOW_SAMPLES, HOP_SAMPLES, window=self._window_W, center=False, return_complex=True
        )
        return spectrum_WF.real.square() + spectrum_WF.imag.square()


class WhisperMel(nn.Module):
    """Whisper's features: every clip padded with silence to the length the encoder wants, normally 30 s.

    Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, section 2.2.
    """

    _DYNAMIC_RANGE = 8.0
    _window_W: torch.Tensor
    _bank_WM: torch.Tensor

    def __init__(self, extractor: Any, *, num_frames: int) -> None:
        super().__init__()
        self._window_samples = int(extractor.n_fft)
        self._hop_samples = int(extractor.hop_length)
        self.num_samples = num_frames * self._hop_samples
        bank_WM = torch.as_tensor(extractor.mel_filters, dtype=torch.float32)
        self.register_buffer("_bank_WM", bank_WM, persistent=False)
        self.register_buffer("_window_W", torch.hann_window(self._window_samples), persistent=False)

    def forward(self, audio_BT: torch.Tensor) -> torch.Tensor:
        """Returns `(B, M, num_frames)`."""
        whole_BT = functional.pad(audio_BT, (0, self.num_samples - audio_BT.shape[1]))
        with full_precision(audio_BT):
            spectrum_BWF = torch.stft(
                whole_BT, self._window_samples, self._hop_samples, window=self._window_W, return_complex=True
            )
            mel_BMF = (self._bank_WM.T @ spectrum_BWF[:, :, :-1].abs().square()).clamp(min=1e-10).log10()
            loudest_B11 = mel_BMF.amax(dim=(1, 2), keepdim=True)
            return (torch.maximum(mel_BMF, loudest_B11 - self._DYNAMIC_RANGE) + 4.0) / 4.0


class KaldiBank(nn.Module):
    """Kaldi's log filter bank, normalised per band over the clip, two frames side by side: 50 per second.

    Source: Barrault et al., Seamless, 2023: the features of w2v-BERT 2.0.
    """

    WINDOW_SAMPLES = 400
    STRIDE = 2

    _FFT_SAMPLES = 512
    _PREEMPHASIS = 0.97
    _FLOOR = 1.192092955078125e-07
    _window_W: torch.Tensor
    _bank_WM: torch.Tensor

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        bank_WM = torch.as_tensor(extractor.mel_filters, dtype=torch.float32)
        self.register_buffer("_bank_WM", bank_WM, persistent=False)
        self.register_buffer("_window_W", torch.as_tensor(extractor.window, dtype=torch.float32), persistent=False)

    def forward(self, audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns features `(B, F, 2 M)`, zero after each clip's end, and the number of frames per clip."""
        counts_B = (lengths_B - self.WINDOW_SAMPLES) // HOP_SAMPLES + 1
        with full_precision(audio_BT):
            mel_BFM = self._normalize(self._filter_bank(audio_BT), counts_B)
        num_pairs = mel_BFM.shape[1] // self.STRIDE
        pairs_BFM = mel_BFM[:, : num_pairs * self.STRIDE].reshape(len(mel_BFM), num_pairs, -1)
        return pairs_BFM, counts_B // self.STRIDE

    def _filter_bank(self, audio_BT: torch.Tensor) -> torch.Tensor:
        frames_BFW = 2.0**15 * audio_BT.unfold(1, self.WINDOW_SAMPLES, HOP_SAMPLES)
        frames_BFW = frames_BFW - frames_BFW.mean(dim=2, keepdim=True)
        before_BFW = torch.cat((frames_BFW[:, :, :1], frames_BFW[:, :, :-1]), dim=2)
        shaped_BFW = (frames_BFW - self._PREEMPHASIS * before_BFW) * self._window_W
        power_BFW: torch.Tensor = torch.fft.rfft(shaped_BFW, n=self._FFT_SAMPLES).abs().square()
        return (power_BFW @ self._bank_WM).clamp(min=self._FLOOR).log()

    @staticmethod
    def _normalize(mel_BFM: torch.Tensor, counts_B: torch.Tensor) -> torch.Tensor:
        padded_BF1 = ~valid_mask(counts_B, mel_BFM.shape[1])[:, :, None]
        counts_B11 = counts_B[:, None, None]
        mean_B1M = mel_BFM.masked_fill(padded_BF1, 0.0).sum(dim=1, keepdim=True) / counts_B11
        centred_BFM = (mel_BFM - mean_B1M).masked_fill(padded_BF1, 0.0)
        variance_B1M = centred_BFM.square().sum(dim=1, keepdim=True) / (counts_B11 - 1)
        return centred_BFM / torch.sqrt(variance_B1M + _VARIANCE_FLOOR)
