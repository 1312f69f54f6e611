"""Recordings as columns are the Recordings that they were."""

from fcaps_pipeline.records.audio import AudioFile, AudioWarning, Cut, FileStamp, Recording
from fcaps_pipeline.shards.recording_table import RECORDING_SCHEMA, files_of, recordings_of, table_of

BARE = Recording(recording_id="a", location="/a.wav", source="a.wav")
FULL = Recording(
    recording_id="b-c",
    location="/b.wav",
    source="b.wav",
    files=(AudioFile(location="/b1.wav", channels=(1, 0)),),
    shard="/run/data/unit-00000-1.parquet",
    duration_s=0.1 + 0.2,
    cuts=(
        Cut(start_samples=0, end_samples=7, channel="mix", transcript="Grüße \U0001f600"),
        Cut(start_samples=3, end_samples=9, channel=1, speaker="s", extra='{"a":1}', samples_sha256="0" * 64),
        Cut(start_samples=3, end_samples=8),
    ),
    transcript="",
    speaker="anna",
    speaker_gender="female",
    language="en",
    tags=("calm", "low"),
    license="CC0-1.0",
    corpus="c",
    extra='{"mood":"gay"}',
    stamp=FileStamp(size_bytes=2**40, modified_ns=None, header_sha256="f" * 64),
    sha256="e" * 64,
    source_rate_hz=44_100,
    num_channels=2,
    warnings=(AudioWarning(name="clipped", detail="much", start_samples=3),),
)


def test_every_field_comes_back() -> None:
    assert FULL.model_fields_set == set(Recording.model_fields)
    uncut = BARE.model_copy(update={"recording_id": "d", "cuts": ()})
    for recordings in ([BARE], [FULL], [BARE, FULL, uncut]):
        table = table_of(recordings)
        assert table.schema == RECORDING_SCHEMA
        assert list(recordings_of(table)) == recordings
    assert table["num_cuts"].to_pylist() == [None, 3, 0]
    assert list(recordings_of(table_of([]))) == []
    assert files_of(table_of([FULL])["files"][0].as_py()) == FULL.files
