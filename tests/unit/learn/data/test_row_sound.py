"""Single rows are heard as they were written, from shards and from files that rows refer to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.audio.location import FilePart, location_in
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.data.row_sound import RowSound
from fcaps_pipeline.shards.rows import samples_sha256
from fcaps_pipeline.storage.local_store import LocalStore

_PCM = [np.random.default_rng(seed).integers(-9000, 9000, 2000 + 300 * seed).astype(np.int16) for seed in range(5)]


def _row(location: str, sha256: str | None, channel: str | None = None, span: tuple[int, int] = (0, 1)) -> Any:
    start, end = span
    told = {"segment_id": "s", "recording_id": "r", "location": location, "audio_sha256": sha256, "channel": channel}
    return {**told, "start_samples": start, "end_samples": end}


def _stored(path: Path, contents: list[bytes], gap_bytes: int = 30) -> list[Any]:
    rows, content = [], b"PAR1"
    for number, flac in enumerate(contents):
        rows.append(_row(location_in(FilePart(str(path), f"{number}.flac", len(content), len(flac))), None))
        content += flac + b"-" * gap_bytes
    path.write_bytes(content)
    return rows


def _read(rows: list[Any]) -> list[Any]:
    return list(RowSound().read(rows))


def test_rows_of_a_file_that_nearly_touch_are_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read_range = LocalStore.read_range

    def noted(store: LocalStore, key: str, start: int, num_bytes: int) -> bytes:
        asked.append(num_bytes)
        return read_range(store, key, start, num_bytes)

    monkeypatch.setattr(LocalStore, "read_range", noted)
    near = _stored(tmp_path / "near", [encode_flac(pcm) for pcm in _PCM])
    far = _stored(tmp_path / "far", [encode_flac(pcm) for pcm in _PCM], gap_bytes=100_000)
    order = [3, 0, 4, 1, 2]
    for rows, num_requests in ((near, 1), (far, 5)):
        asked.clear()
        found = _read([rows[place] for place in order])
        assert all(np.array_equal(sound, _PCM[place]) for sound, place in zip(found, order, strict=True))
        assert len(asked) == num_requests


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"RIFF is no FLAC", "15 bytes of stored audio are not whole FLAC"),
        (encode_flac(_PCM[0])[:-40], "are not whole FLAC"),
        (encode_flac(_PCM[1]), "do not have the recorded sha256"),
    ],
)
def test_what_is_wrong_with_sound_is_told_of_its_row_alone(tmp_path: Path, content: bytes, reason: str) -> None:
    bad, good = _stored(tmp_path / "shard", [content, encode_flac(_PCM[2])])
    bad["audio_sha256"] = samples_sha256(_PCM[0])
    good["audio_sha256"] = samples_sha256(_PCM[2])
    first, second = _read([bad, good])
    assert isinstance(first, RecordingError)
    assert reason in str(first)
    assert np.array_equal(second, _PCM[2])


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_flipped_byte_of_audio_never_passes(tmp_path: Path, place: float) -> None:
    damaged = bytearray(encode_flac(_PCM[0]))
    damaged[int(len(damaged) * place)] ^= 0x10
    (row,) = _stored(tmp_path / "shard", [bytes(damaged)])
    (sound,) = _read([{**row, "audio_sha256": samples_sha256(_PCM[0])}])
    assert isinstance(sound, RecordingError)


def test_rows_refer_to_a_stretch_of_a_channel(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([_PCM[0], _PCM[1][:2000]], axis=1), 16_000)
    rows = [_row(str(path), None, str(channel), (500, 900)) for channel in (0, 1)]
    rows.append(_row(str(path), None, "0", (1500, 9000)))
    rows.append(_row(str(tmp_path / "gone.wav"), None, "0", (0, 100)))
    first, second, beyond, gone = _read(rows)
    assert np.array_equal(first, _PCM[0][500:900])
    assert np.array_equal(second, _PCM[1][500:900])
    assert "ends at sample 2000" in str(beyond)
    assert "gone.wav" in str(gone)
