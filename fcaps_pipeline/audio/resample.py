"""Resamples a stream block by block to 16 kHz, sample for sample as if it were one array.

Enters: float32 blocks at the rate of the source. Leaves: float32 blocks at 16 kHz; together they
hold ceil(n * 16000 / rate) samples for n input samples. Each block is resampled with enough of
its neighbours around it that the filter sees what it would see in the whole signal.

Shape suffix: C channels, T samples.
"""

import math

import torch
import torchaudio.transforms

from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_MAX_KERNEL_ELEMENTS = 64_000_000
"""Filter banks beyond this (rates that share no factor with 16 kHz) would need gigabytes."""


class StreamResampler:
    """Streaming form of `torchaudio.functional.resample` from one rate to 16 kHz."""

    def __init__(self, rate_hz: int, num_channels: int) -> None:
        """Prepares the filter.

        Raises:
            RecordingError: the rate is so odd that its filter bank does not fit into memory.
        """
        divisor = math.gcd(rate_hz, SAMPLE_RATE_HZ)
        self._period_in = rate_hz // divisor
        self._period_out = SAMPLE_RATE_HZ // divisor
        if self._period_in * self._period_out > _MAX_KERNEL_ELEMENTS:
            raise RecordingError(
                f"a sampling rate of {rate_hz} Hz cannot be resampled to {SAMPLE_RATE_HZ} Hz with bounded memory; "
                "convert the file to a common rate such as 44100 Hz first"
            )
        self._resample = torchaudio.transforms.Resample(rate_hz, SAMPLE_RATE_HZ)
        # Whole periods on either side, so that every block starts at the same phase of the filter.
        filter_periods = 0 if rate_hz == SAMPLE_RATE_HZ else math.ceil(self._resample.width / self._period_in) + 1
        self._context_periods = filter_periods
        self._pending_CT = torch.zeros(num_channels, 0)
        self._lead_periods = 0
        self._num_in = 0
        self._num_out = 0

    def push(self, block_CT: torch.Tensor) -> torch.Tensor:
        """Takes the next input samples and returns the output samples that no later input can change."""
        self._num_in += block_CT.shape[1]
        if self._context_periods == 0:
            return block_CT
        self._pending_CT = torch.cat((self._pending_CT, block_CT), dim=1)
        ready_periods = self._pending_CT.shape[1] // self._period_in - self._context_periods
        if ready_periods <= self._lead_periods:
            return block_CT.new_zeros(block_CT.shape[0], 0)
        ready = slice(self._lead_periods * self._period_out, ready_periods * self._period_out)
        out_CT: torch.Tensor = self._resample(self._pending_CT)[:, ready]
        keep_from = max(0, ready_periods - self._context_periods)
        self._pending_CT = self._pending_CT[:, keep_from * self._period_in :].clone()
        self._lead_periods = ready_periods - keep_from
        self._num_out += out_CT.shape[1]
        return out_CT

    def finish(self) -> torch.Tensor:
        """The rest of the output, once the input has ended."""
        if self._context_periods == 0 or self._num_in == 0:
            return self._pending_CT
        total_out = -(-self._num_in * self._period_out // self._period_in)
        start = self._lead_periods * self._period_out
        rest_CT: torch.Tensor = self._resample(self._pending_CT)[:, start : start + total_out - self._num_out]
        return rest_CT
