import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.errors import DependencyError, JobError, OutputError
from fcaps_pipeline.jobs.sources import ManifestSource
from fcaps_pipeline.lab.synthesis import classes, espeak, measure
from fcaps_pipeline.lab.synthesis.effects import heard_range, trim
from fcaps_pipeline.lab.synthesis.laughter import laugh
from fcaps_pipeline.lab.synthesis.qualities import creak
from fcaps_pipeline.lab.synthesis.recording import (
    Surroundings,
    draw_kind,
    draw_surroundings,
    long_noise,
    make_recording,
    surround,
)
from fcaps_pipeline.lab.synthesis.recording_truth import SCHEMA, RecordingTruth, table_of
from fcaps_pipeline.lab.synthesis.release import MANIFEST_FILE, REPORT_FILE, TRUTH_FILE, Settings, write_release
from fcaps_pipeline.lab.synthesis.sentences import draw_sentence, split_of
from fcaps_pipeline.lab.synthesis.speakers import NUM_SPEAKERS, Speaker, check_installed, draw_speakers
from fcaps_pipeline.lab.synthesis.speaking import Knobs
from fcaps_pipeline.lab.synthesis.stretch import DisagreementError, Larynx, Stretch, Wanted, speak_stretch
from fcaps_pipeline.lab.synthesis.truth import SPLITS
from fcaps_pipeline.lab.synthesis.turn import Turn, speak_turn
from tests.unit.lab.conftest import needs_synthesizers

RATE_HZ = 16_000


def speaker_of(synthesizer: str, gender: str = "male") -> Speaker:
    return next(s for s in draw_speakers(1) if s.voice.synthesizer == synthesizer and s.gender == gender)


def wanted(speaker: Speaker, **changes: object) -> Wanted:
    plain = {"f0_hz": speaker.base_f0_hz, "rate_hz": 4.5, "level_db": 0.0, "ramp_db": 0.0, "quality": "modal"}
    return Wanted(**(plain | changes))  # type: ignore[arg-type]


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_thousand_distinct_speakers_return_for_the_same_seed() -> None:
    speakers = draw_speakers(4)
    assert speakers == draw_speakers(4)
    assert len({one.speaker for one in speakers}) == NUM_SPEAKERS
    assert speakers != draw_speakers(5)
    assert {one.voice.synthesizer for one in speakers} == {"espeak", "flite", "festival"}


def test_every_speaker_can_reach_the_own_pitch() -> None:
    for speaker in draw_speakers(2):
        low, high = speaker.f0_limits_hz
        assert low < speaker.base_f0_hz < high, speaker


def test_accent_and_age_are_told_only_where_the_voice_says_so() -> None:
    for speaker in draw_speakers(3):
        assert (speaker.accent is None) == (speaker.voice.synthesizer != "espeak")
        assert (speaker.age_group == "elderly") == speaker.voice.name.endswith(("+grandma", "+grandpa"))


def test_a_sentence_belongs_to_one_split() -> None:
    rng = np.random.default_rng(0)
    drawn = {split: {draw_sentence(rng, split, short=False) for _ in range(200)} for split in SPLITS}
    for split, sentences in drawn.items():
        assert {split_of(sentence) for sentence in sentences} == {split}


def test_articles_go_by_sound() -> None:
    rng = np.random.default_rng(1)
    text = " ".join(draw_sentence(rng, None, short=False) for _ in range(8000))
    for pair in ("an uniform", "an useful", "a honest", "a apple", "a unusual"):
        assert f" {pair} " not in f" {text} "
    for pair in ("a uniform", "a useful", "an honest", "an apple", "an unusual"):
        assert f" {pair} " in f" {text} "


def test_the_vocabulary_has_thousands_of_words() -> None:
    rng = np.random.default_rng(0)
    words = {word for _ in range(20_000) for word in draw_sentence(rng, None, short=False).split(" ")}
    assert len(words) > 2500


def test_the_truth_has_a_column_for_every_field() -> None:
    assert SCHEMA.names == list(RecordingTruth.model_fields)


def test_what_trim_keeps_is_the_heard_range() -> None:
    audio_T = np.concatenate([np.zeros(4000), np.sin(np.arange(8000) / 5), np.zeros(4000)])
    start, end = heard_range(audio_T)
    assert np.array_equal(trim(audio_T), audio_T[start:end])
    assert 3600 <= start <= 4000
    assert 12_000 <= end <= 12_500


def test_the_coarse_pitch_is_the_fine_one() -> None:
    phase = 2 * np.pi * np.cumsum(np.full(2 * RATE_HZ, 140.0)) / RATE_HZ
    buzz_T = np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    fine, coarse = measure.f0_track_hz(buzz_T), measure.coarse_f0_track_hz(buzz_T)
    assert measure.median_f0_hz(coarse) == pytest.approx(measure.median_f0_hz(fine), rel=0.005)


def test_long_noise_repeats_without_a_seam() -> None:
    noise_T = long_noise("pink", 60 * RATE_HZ, np.random.default_rng(0))
    assert np.sqrt(np.mean(noise_T**2)) == pytest.approx(1.0, rel=0.05)
    tile = 24 * RATE_HZ
    steps = np.abs(np.diff(noise_T))
    assert steps[tile - 1] <= np.max(steps[: tile - 1])


def test_snr_and_loudness_of_a_file_are_as_drawn() -> None:
    rng = np.random.default_rng(0)
    speech_T = 0.1 * np.sin(np.arange(5 * RATE_HZ) / 9)
    plain = Surroundings(
        reverberation_s=None, wet=0.1, noise="white", snr_db=12.0, telephone=False, loudness_lufs=-27.0
    )
    noisy_T, gain_db, lufs = surround(speech_T, plain, rng)
    rest_T = noisy_T - speech_T * 10 ** (gain_db / 20)
    assert measure.rms_db(noisy_T - rest_T) - measure.rms_db(rest_T) == pytest.approx(12.0, abs=0.1)
    assert lufs == pytest.approx(measure.loudness_lufs(noisy_T), abs=0.01)
    drawn = [draw_surroundings(rng) for _ in range(200)]
    assert min(one.snr_db for one in drawn) < 7.0


def test_a_kind_fits_what_is_left() -> None:
    rng = np.random.default_rng(0)
    assert draw_kind(rng, 1200.0, talk=True)[0] == "talk"
    assert all(draw_kind(rng, 20.0, talk=True)[0] == "clip" for _ in range(20))


def spoken(speaker: Speaker, want: Wanted, rng: np.random.Generator) -> Stretch:
    """The first sentence that comes out as wanted; what espeak makes of one depends on all it said before."""
    while True:
        with suppress(DisagreementError):
            return speak_stretch(speaker, draw_sentence(rng, None, short=False), want, rng)


@needs_synthesizers
@pytest.mark.parametrize("synthesizer", ["espeak", "flite", "festival"])
def test_a_stretch_measures_as_wanted(synthesizer: str) -> None:
    speaker = speaker_of(synthesizer)
    stretch = spoken(speaker, wanted(speaker), np.random.default_rng(3))
    assert stretch.larynx.f0_median_hz == pytest.approx(speaker.base_f0_hz, rel=0.13)
    assert stretch.rate_hz == pytest.approx(4.5, rel=0.1)
    assert measure.speech_level_db(stretch.audio_T) == pytest.approx(stretch.level_db)


@needs_synthesizers
def test_espeak_tells_when_it_says_each_word() -> None:
    spoken = espeak.speak("en-us+m3", "at seven o'clock an old man was there", Knobs(0.5, 0.5, 1.0))
    assert spoken.words is not None
    assert " ".join(word.text for word in spoken.words) == "at seven o'clock an old man was there"
    assert all(one.start_s < one.end_s <= other.start_s for one, other in pairwise(spoken.words))


@needs_synthesizers
def test_a_whisper_has_no_pitch() -> None:
    rng = np.random.default_rng(1)
    speaker = speaker_of("espeak", "female")
    modal, whispered = (spoken(speaker, wanted(speaker, quality=quality), rng) for quality in ("modal", "whisper"))
    assert whispered.larynx == Larynx()
    modal_share, whispered_share = (np.mean(measure.coarse_f0_track_hz(one.audio_T) > 0) for one in (modal, whispered))
    assert whispered_share < 0.1 < 0.4 < modal_share


@needs_synthesizers
@pytest.mark.parametrize("gender", ["female", "male"])
def test_breath_and_creak_are_measured_in_what_was_made(gender: str) -> None:
    rng = np.random.default_rng(4)
    speaker = speaker_of("espeak", gender)
    modal, breathy, creaky = (
        spoken(speaker, wanted(speaker, quality=quality), rng) for quality in ("modal", "breathy", "creaky")
    )
    modal_hnr_db, modal_pulses = measure.hnr_db(modal.audio_T), measure.pulse_rate_and_jitter(modal.audio_T)
    assert modal_hnr_db is not None
    assert breathy.larynx.hnr_db is not None
    assert breathy.larynx.hnr_db < modal_hnr_db
    assert breathy.larynx.hnr_db <= classes.BREATHY_HNR_DB
    assert breathy.larynx.f0_median_hz == pytest.approx(speaker.base_f0_hz, rel=0.13)
    assert modal_pulses is not None
    assert creaky.larynx.pulse_rate_hz is not None
    assert creaky.larynx.pulse_rate_hz <= classes.CREAKY_HZ < modal_pulses[0]
    assert creaky.larynx.jitter is not None
    assert creaky.larynx.jitter >= classes.CREAKY_JITTER > modal_pulses[1]


def test_jitter_is_that_of_a_buzz_with_known_periods() -> None:
    # Periods of 20 ms and 22 ms in turn change by 2 ms of 21 each time.
    pulses_T = np.zeros(2 * RATE_HZ)
    pulses_T[np.cumsum([320, 352] * 40)] = 1.0
    audio_T = np.convolve(pulses_T, np.exp(-np.arange(100) / 20) * np.sin(np.arange(100) / 3), mode="same")
    measured = measure.pulse_rate_and_jitter(audio_T)
    assert measured is not None
    assert measured[0] == pytest.approx(1 / 0.021, rel=0.06)
    assert measured[1] == pytest.approx(2 / 21, rel=0.1)


def test_silence_has_no_pulses_and_no_creak() -> None:
    silence_T = np.zeros(RATE_HZ)
    assert len(measure.glottal_pulses_s(silence_T)) == 0
    assert measure.pulse_rate_and_jitter(silence_T) is None
    assert np.array_equal(creak(silence_T, np.random.default_rng(0)), silence_T)


def test_noise_under_a_buzz_lowers_the_harmonics_to_noise_ratio_to_what_was_mixed() -> None:
    phase = 2 * np.pi * 140.0 * np.arange(2 * RATE_HZ) / RATE_HZ
    buzz_T = np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    noise_T = np.random.default_rng(0).standard_normal(len(buzz_T)) * np.sqrt(np.mean(buzz_T**2)) * 10 ** (-10 / 20)
    assert measure.hnr_db(buzz_T + noise_T) == pytest.approx(10.0, abs=1.0)
    assert measure.hnr_db(np.zeros(RATE_HZ)) is None


@needs_synthesizers
@pytest.mark.parametrize("synthesizer", ["espeak", "flite", "festival"])
def test_laughter_is_a_row_of_bursts_four_to_six_times_a_second(synthesizer: str) -> None:
    laughter_T = laugh(speaker_of(synthesizer), np.random.default_rng(1))
    frames = laughter_T[: len(laughter_T) // 160 * 160].reshape(-1, 160)
    level = np.convolve(np.mean(frames**2, axis=1), np.ones(5) / 5, mode="same")
    spectrum = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), 2048))
    bursts_hz = float(np.fft.rfftfreq(2048, 0.01)[np.argmax(spectrum)])
    assert 4.0 < bursts_hz < 6.3
    assert measure.median_f0_hz(measure.f0_track_hz(laughter_T)) is not None


HEARD: dict[str, Callable[[Stretch, Stretch], bool]] = {
    "speaks faster": lambda before, now: now.rate_hz / before.rate_hz >= classes.RATE_CHANGE_RATIO[1],
    "speaks slower": lambda before, now: before.rate_hz / now.rate_hz >= classes.RATE_CHANGE_RATIO[1],
    "grows louder": lambda _, now: now.level_change_db >= classes.LOUDNESS_CHANGE_DB[1],
    "grows softer": lambda _, now: now.level_change_db <= -classes.LOUDNESS_CHANGE_DB[1],
    "raises the pitch": lambda before, now: semitones(before, now) >= classes.PITCH_CHANGE_SEMITONES[1],
    "lowers the pitch": lambda before, now: semitones(before, now) <= -classes.PITCH_CHANGE_SEMITONES[1],
    "whispers": lambda _, now: now.larynx == Larynx(),
    "speaks in a breathy voice": lambda _, now: now.larynx.hnr_db is not None,
    "speaks in a creaky voice": lambda _, now: now.larynx.pulse_rate_hz is not None,
}


def semitones(before: Stretch, now: Stretch) -> float:
    assert before.larynx.f0_median_hz is not None
    assert now.larynx.f0_median_hz is not None
    return float(12 * np.log2(now.larynx.f0_median_hz / before.larynx.f0_median_hz))


def turns(num_turns: int) -> Iterator[Turn]:
    rng = np.random.default_rng(5)
    speakers = [one for one in draw_speakers(1) if one.voice.synthesizer == "espeak"]
    while num_turns:
        speaker = speakers[int(rng.integers(len(speakers)))]
        with suppress(DisagreementError):
            yield speak_turn(rng, speaker, None, num_stretches=8, longest_s=60.0, redrawn=Counter())
            num_turns -= 1


@needs_synthesizers
def test_events_are_heard_in_what_was_measured() -> None:
    seen: Counter[str] = Counter()
    for turn in turns(40):
        at = {start: index for index, (start, _, _) in enumerate(turn.stretches)}
        for event in turn.events:
            seen[event.phrase] += 1
            assert 0 <= event.start_samples < event.end_samples <= turn.num_samples
            if event.phrase == "pauses":
                assert event.end_samples - event.start_samples >= classes.PAUSE_S[1] * RATE_HZ
                continue
            if event.phrase == "laughs":
                assert [len(audio_T) for start, audio_T in turn.laughter if start == event.start_samples] == [
                    event.end_samples - event.start_samples
                ]
                continue
            index = at[event.start_samples]
            assert HEARD[event.phrase](turn.stretches[index - 1][1], turn.stretches[index][1]), event
    assert set(seen) == set(get_args(EventPhrase))


@needs_synthesizers
def test_what_is_no_event_sounds_steady() -> None:
    for turn in turns(6):
        starts = {(event.phrase.split()[0], event.start_samples) for event in turn.events}
        for (_, before, _), (start, now, _) in pairwise(turn.stretches):
            if ("speaks", start) not in starts:
                assert abs(np.log(now.rate_hz / before.rate_hz)) <= np.log(classes.RATE_CHANGE_RATIO[0])
            if (
                not {("raises", start), ("lowers", start)} & starts
                and before.larynx.f0_median_hz
                and now.larynx.f0_median_hz
            ):
                assert abs(semitones(before, now)) <= classes.PITCH_CHANGE_SEMITONES[0]
            if ("grows", start) not in starts:
                assert abs(now.level_change_db) < classes.LOUDNESS_CHANGE_DB[1]


@needs_synthesizers
def test_overlaps_are_two_speakers_at_once_and_never_three() -> None:
    speakers = tuple(one for one in draw_speakers(1) if one.voice.synthesizer == "espeak")[:4]
    rng = np.random.default_rng(2)
    _, truth = make_recording(
        "a", "a.flac", speakers, None, rng, kind="conversation", length_s=60.0, overlap=True, redrawn=Counter()
    )
    assert truth.overlaps
    for overlap in truth.overlaps:
        middle = (overlap.start_s + overlap.end_s) / 2
        turns = {s.turn for s in truth.stretches if s.start_s < overlap.end_s and s.end_s > overlap.start_s}
        assert len(turns) == 2, middle
    assert len({one.speaker for one in truth.speakers}) == len(truth.speakers)


@needs_synthesizers
def test_a_corpus_is_the_same_for_any_number_of_workers_and_after_a_kill(tmp_path: Path) -> None:
    settings = Settings(hours=0.02, seed=3, split_voices=True, overlap=False)
    counts = write_release(tmp_path / "a", settings, workers=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for lost in ("test/blocks/test-00000", "train/blocks/train-00000"):
        shutil.move(tmp_path / "b" / lost, tmp_path / "b" / Path(lost).parent / f".{Path(lost).name}.1")
    (tmp_path / "b" / "train" / MANIFEST_FILE).unlink()
    done: list[float] = []
    assert write_release(tmp_path / "b", settings, workers=1, on_block=done.append) == counts
    assert sum(done) == pytest.approx(72.0)
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")
    with pytest.raises(JobError, match=r"seed \(was 3, is 4\)"):
        write_release(tmp_path / "a", settings.model_copy(update={"seed": 4}), workers=1)

    speakers: dict[str, set[str]] = {}
    for split in SPLITS:
        root = tmp_path / "a" / split
        recordings = list(list_recordings(ManifestSource(kind="manifest", path=str(root / MANIFEST_FILE))))
        rows = pq.read_table(root / TRUTH_FILE).to_pylist()
        assert (root / REPORT_FILE).is_file()
        assert [one.recording_id for one in recordings] == [row["id"] for row in rows]
        speakers[split] = {one["voice"] for row in rows for one in row["speakers"]}
        for recording, row in zip(recordings, rows, strict=True):
            assert soundfile.info(recording.location).duration == pytest.approx(row["duration_s"])
            assert RecordingTruth.model_validate(row).transcript == recording.transcript
        assert table_of([RecordingTruth.model_validate(row) for row in rows]).to_pylist() == rows
    assert not speakers["train"] & (speakers["validation"] | speakers["test"])
    assert not speakers["validation"] & speakers["test"]


@needs_synthesizers
def test_what_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "blocks").write_text("in the way")
    settings = Settings(hours=0.002, seed=1, split_voices=False, overlap=False)
    with pytest.raises(OutputError, match=r"cannot write .*run the same command again"):
        write_release(tmp_path, settings, workers=1)


@needs_synthesizers
def test_fewer_voices_than_asked_are_one_line_with_their_package() -> None:
    speaker = speaker_of("flite")
    lost = speaker.model_copy(update={"voice": speaker.voice.model_copy(update={"name": "nobody"})})
    with pytest.raises(DependencyError, match=r"1 of 2 voices are missing \(flite:nobody\).*packages flite"):
        check_installed((speaker, lost))


def test_a_missing_synthesizer_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="Debian package flite"):
        check_installed(draw_speakers(1))
