"""Silero's voice detector over whole blocks of windows: the same probabilities, many times faster.

Enters: int16 samples. Leaves: speech probabilities of windows. Only the recurrent layer of the network depends on
the order of its windows, so the layers before it run over a block of windows at once and only the
LSTM runs in sequence. Blocks are counted from the first sample of a recording: how the samples
were handed over changes nothing.

Importing silero_vad sets torch to one thread for the whole process.

Source: silero_vad 6.2, data/silero_vad.jit (16 kHz branch) and tinygrad_model.py for its layers.

Shape suffixes: W windows, S samples of a window with its context, T samples.
"""

import numpy as np
import numpy.typing as npt
import torch
from silero_vad import load_silero_vad

from fcaps_pipeline.annotate.segmentation.hysteresis import WINDOW_SAMPLES, SpeechRules
from fcaps_pipeline.annotate.segmentation.probabilities import Probabilities, ThresholdDetector
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig

_CONTEXT_SAMPLES = 64
_BLOCK_WINDOWS = 256
_NUM_BINS = 129
_STATE_SIZE = 128
_HOP_SAMPLES = 128

LstmState = tuple[torch.Tensor, torch.Tensor]


class SileroNetwork:
    """The 16 kHz network: windows with context and a state in, probabilities and a state out."""

    def __init__(self) -> None:
        """Loads the weights that ship with silero_vad."""
        model = load_silero_vad()._model.eval()
        self._basis: torch.Tensor = model.stft.forward_basis_buffer
        self._encoder = model.encoder
        self._head = model.decoder.decoder
        self._lstm = torch.nn.LSTM(_STATE_SIZE, _STATE_SIZE)
        cell = model.decoder.rnn
        self._lstm.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})

    @torch.inference_mode()
    def probabilities(self, windows_WS: torch.Tensor, state: LstmState | None) -> tuple[Probabilities, LstmState]:
        """Speech probability of each window; `state` is that of the window before the first, None at the start."""
        padded_WS = torch.nn.functional.pad(windows_WS, (0, _CONTEXT_SAMPLES), mode="reflect")
        spectrum = torch.nn.functional.conv1d(padded_WS.unsqueeze(1), self._basis, stride=_HOP_SAMPLES)
        magnitude = torch.sqrt(spectrum[:, :_NUM_BINS] ** 2 + spectrum[:, _NUM_BINS:] ** 2)
        hidden, state = self._lstm(self._encoder(magnitude).squeeze(-1), state)
        probabilities_W = self._head(hidden.unsqueeze(-1)).flatten()
        return probabilities_W.numpy(), state

    def open_stream(self) -> "SileroProbabilities":
        """Starts with the first sample of a channel."""
        return SileroProbabilities(self)


class SileroProbabilities:
    """The network in one channel; see `ProbabilityStream`."""

    def __init__(self, network: SileroNetwork) -> None:
        """Starts at sample 0 with silence before it."""
        self._network = network
        self._state: LstmState | None = None
        self._context_T = np.zeros(_CONTEXT_SAMPLES, dtype=np.int16)
        self._pending: list[npt.NDArray[np.int16]] = []
        self._num_pending = 0

    def push(self, pcm_T: npt.NDArray[np.int16]) -> Probabilities:
        """See `ProbabilityStream`."""
        self._pending.append(pcm_T)
        self._num_pending += len(pcm_T)
        block_samples = _BLOCK_WINDOWS * WINDOW_SAMPLES
        if self._num_pending < block_samples:
            return np.zeros(0, np.float32)
        samples_T = np.concatenate(self._pending)
        num_whole = len(samples_T) // block_samples * block_samples
        blocks = [
            self._detect(samples_T[start : start + block_samples]) for start in range(0, num_whole, block_samples)
        ]
        self._pending = [samples_T[num_whole:]]
        self._num_pending = len(samples_T) - num_whole
        return np.concatenate(blocks)

    def finish(self) -> Probabilities:
        """See `ProbabilityStream`."""
        if not self._num_pending:
            return np.zeros(0, np.float32)
        samples_T = np.concatenate(self._pending)
        self._pending, self._num_pending = [], 0
        return self._detect(np.pad(samples_T, (0, -len(samples_T) % WINDOW_SAMPLES)))

    def _detect(self, samples_T: npt.NDArray[np.int16]) -> Probabilities:
        with_context_T = np.concatenate((self._context_T, samples_T))
        self._context_T = samples_T[-_CONTEXT_SAMPLES:]
        audio_T = torch.from_numpy(with_context_T.astype(np.float32) / 32768.0)
        windows_WS = audio_T.unfold(0, WINDOW_SAMPLES + _CONTEXT_SAMPLES, WINDOW_SAMPLES)
        probabilities_W, self._state = self._network.probabilities(windows_WS, self._state)
        return probabilities_W


class SileroDetector(ThresholdDetector):
    """The network and the rules of a job; see `VoiceDetector`."""

    def __init__(self, config: SegmentationConfig) -> None:
        """Loads the network."""
        super().__init__([SileroNetwork().open_stream], SpeechRules.of(config))
