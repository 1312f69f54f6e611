"""Real speech in training: who is held out, the phrases between the pauses, and what they become."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.errors import JobError, SourceError, UsageError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.lab.embedded.recipe import hold_out_speakers
from fcaps_pipeline.lab.embedded.recordings import RealRecording, find_recordings, is_held_out, write_phrase_bank
from fcaps_pipeline.lab.synthesis import measure
from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.clip import make_clip
from fcaps_pipeline.lab.synthesis.speaking import Knobs
from tests.unit.lab.conftest import needs_synthesizers

_ANNA = "woman-pauses.flac"
_BEN = "man-loud-fast.flac"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two recordings below `speech/`, listed beside it, and one that the list has elsewhere."""
    (tmp_path / "speech").mkdir()
    for name in (_ANNA, _BEN):
        shutil.copy(resolve_path("package:demo_speech") / name, tmp_path / "speech" / name)
    (tmp_path / "speakers.csv").write_text(
        f"file,speaker,gender\nspeech/{_ANNA},anna,female\nspeech/{_BEN},ben,male\nelsewhere/x.wav,cleo,female\n"
    )
    return tmp_path / "speech"


@pytest.fixture
def bank(corpus: Path, tmp_path: Path) -> Path:
    return write_phrase_bank(tmp_path / "bank", find_recordings(corpus))


def test_only_files_of_the_folder_are_found(corpus: Path) -> None:
    assert find_recordings(corpus) == [
        RealRecording(corpus.resolve() / _ANNA, "anna", "female"),
        RealRecording(corpus.resolve() / _BEN, "ben", "male"),
    ]


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (None, "has no speakers.csv"),
        ("file,speaker\nspeech/a.wav,anna\n", "'gender' is no column"),
        ("file,speaker,gender\nspeech/a.wav,anna,f\n", "'f' is no column or no gender"),
        ("file,speaker,gender\nother/a.wav,anna,female\n", "lists no file below"),
    ],
)
def test_a_bad_list_of_speakers_is_one_line(corpus: Path, listing: str | None, expected: str) -> None:
    (corpus.parent / "speakers.csv").unlink()
    if listing is not None:
        (corpus.parent / "speakers.csv").write_text(listing)
    with pytest.raises(SourceError, match=expected):
        find_recordings(corpus)


def test_one_speaker_in_six_measures_and_never_trains() -> None:
    recordings = [RealRecording(Path(f"{n}.wav"), f"speaker-{n}", "female") for n in range(600)]
    unseen = RealRecording(Path("t.wav"), "tested", "male")
    speech = hold_out_speakers(recordings, [unseen], [], None)
    assert 70 < sum(is_held_out(one.speaker) for one in recordings) < 130
    assert {one.speaker for one in speech.training}.isdisjoint(one.speaker for one in speech.measuring)
    assert len(speech.training) + len(speech.measuring) == 601
    assert unseen in speech.measuring


def test_a_speaker_of_the_test_folder_never_trains() -> None:
    trains = next(name for name in map(str, range(100)) if not is_held_out(name))
    one = RealRecording(Path("a.wav"), trains, "female")
    with pytest.raises(UsageError, match=f"speaker {trains} trains and stands in the test folder"):
        hold_out_speakers([one], [one], [], None)


def test_a_bank_is_of_the_recordings_it_was_begun_with(corpus: Path, bank: Path) -> None:
    (_, ben) = find_recordings(corpus)
    with pytest.raises(JobError, match="num_recordings"):
        write_phrase_bank(bank, [ben])


def test_phrases_of_files_of_one_name_do_not_overwrite_each_other(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    again = Path(shutil.copy(corpus / _ANNA, tmp_path / "other" / _ANNA))
    bank = write_phrase_bank(tmp_path / "two", [*find_recordings(corpus)[:1], RealRecording(again, "cleo", "female")])
    assert len(list(bank.glob("*-woman-pauses-*.flac"))) == 4


def test_phrases_lie_between_the_pauses(bank: Path) -> None:
    cast = Cast(bank)
    rng = np.random.default_rng(0)
    drawn = {cast.draw_voice(rng, "train", "female").voice_id for _ in range(60)}
    assert "recorded:anna" in drawn
    assert len(drawn) > 1
    only_recorded = Cast(bank, recorded_share=1.0)
    assert {only_recorded.draw_voice(rng, "test", "female").voice_id for _ in range(20)} == {"recorded:anna"}
    # The recording has one pause, so it has two stretches of speech.
    assert len(sorted(bank.glob("*-woman-pauses-*.flac"))) == 2


def test_a_phrase_stays_as_recorded_or_is_moved(bank: Path) -> None:
    cast = Cast(bank)
    rng = np.random.default_rng(0)
    voice = next(
        voice
        for voice in (cast.draw_voice(rng, "train", "female") for _ in range(100))
        if voice.synthesizer == "recorded"
    )
    text = cast.draw_text(rng, voice, "train", long=True)
    natural = cast.speak(voice, text, Knobs(pitch=1.0, pitch_range=0.5, tempo=2.0, natural=True))
    moved = cast.speak(voice, text, Knobs(pitch=1.0, pitch_range=0.5, tempo=2.0))
    assert len(moved.audio_T) == pytest.approx(len(natural.audio_T) / 2, rel=0.05)
    assert moved.speech_s == pytest.approx(natural.speech_s / 2)
    before, after = (measure.median_f0_hz(measure.f0_track_hz(one.audio_T)) or 0.0 for one in (natural, moved))
    assert after > before * 1.15


@needs_synthesizers
def test_recorded_phrases_become_labelled_clips(bank: Path) -> None:
    rng = np.random.default_rng(4)
    cast = Cast(bank)
    truths = [make_clip(f"clip-{number}", "train", rng, cast)[1].speech for number in range(12)]
    recorded = [truth for truth in truths if truth is not None and truth.voice.startswith("recorded:")]
    assert recorded
    assert all(truth.transcript is None for truth in recorded)


def test_an_existing_bank_is_kept(corpus: Path, bank: Path) -> None:
    before = (bank / "phrases.jsonl").stat().st_mtime_ns
    assert write_phrase_bank(bank, find_recordings(corpus)) == bank
    assert (bank / "phrases.jsonl").stat().st_mtime_ns == before
