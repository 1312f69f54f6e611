"""The baseline without a model: classes from measurements, words from classes, and the rules it keeps."""

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.engines.cascade_profile import Profile, make_profile
from fcaps_pipeline.annotate.engines.cascade_wording import fine_caption, global_caption, templates_sha256
from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.annotate.run.preflight import check_before_start
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.parsing import parse_answer
from fcaps_pipeline.annotate.verification.rules import Answer, judge
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.errors import EngineRequestError
from fcaps_pipeline.jobs.annotate_job import CaptionConfig, CascadeEngineConfig, load_job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Completion, Sampling
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.captions import GlobalCaption, Granularity, global_caption_schema
from tests.unit.annotate.captioning.building import acoustics, completion, segment_audio

_PITCHES_HZ = (None, 95.0, 130.0, 160.0, 170.0, 200.0)
_RATES = (0.0, 3.0, 5.0, 8.0)
_LEVELS_LUFS = (None, -35.0, -25.0, -15.0)
_SLOPES = (-12.0, 0.0, 12.0)
_PAUSES = ((0, 0.0), (1, 0.3), (1, 1.2), (3, 0.5))


def _measured() -> list[Acoustics]:
    """Every class of every quantity, in all combinations."""
    return [
        acoustics(
            f0_median_hz=f0_hz,
            f0_p5_hz=f0_hz and f0_hz * 0.8,
            f0_p95_hz=f0_hz and f0_hz * 1.3,
            f0_slope_hz_per_s=slope if f0_hz else None,
            articulation_syllables_per_s=rate,
            loudness_lufs=lufs,
            num_pauses=pauses[0],
            pause_longest_s=pauses[1],
        )
        for f0_hz, rate, lufs, slope, pauses in itertools.product(_PITCHES_HZ, _RATES, _LEVELS_LUFS, _SLOPES, _PAUSES)
    ]


def _request(measured: Acoustics | None = None, **changes: Any) -> CaptionRequest:
    parts: dict[str, Any] = {
        "request_key": "k" * 64,
        "audio_sha256": "a" * 64,
        "audio_T": np.zeros(64_000, np.float32),
        "acoustics": measured or acoustics(),
        "prompt": "Describe.",
        "sampling": Sampling(),
        "seed": 7,
    }
    return CaptionRequest(**{**parts, **changes})


def _complete(request: CaptionRequest) -> tuple[Completion, ...]:
    return asyncio.run(CascadeEngine().complete(request))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"f0_median_hz": 164.9}, {"gender": "male", "pitch": "high"}),
        ({"f0_median_hz": 165.0}, {"gender": "female", "pitch": "medium"}),
        ({"f0_median_hz": 184.6}, {"gender": "female", "pitch": "high"}),
        ({"f0_median_hz": 115.0}, {"gender": "male", "pitch": "low"}),
        ({"f0_median_hz": 149.0}, {"gender": "male", "pitch": "medium"}),
        ({"f0_median_hz": None}, {"gender": "unknown", "pitch": "unknown", "course": "unknown"}),
        ({"articulation_syllables_per_s": 4.4}, {"rate": "slow"}),
        ({"articulation_syllables_per_s": 4.5}, {"rate": "measured"}),
        ({"articulation_syllables_per_s": 7.4}, {"rate": "fast"}),
        ({"articulation_syllables_per_s": 0.0}, {"rate": "unknown"}),
        ({"loudness_lufs": -30.1}, {"volume": "soft"}),
        ({"loudness_lufs": -20.0}, {"volume": "loud"}),
        ({"loudness_lufs": None}, {"volume": "unknown"}),
        ({"f0_p5_hz": 100.0, "f0_p95_hz": 120.0}, {"melody": "narrow"}),
        ({"f0_p5_hz": 100.0, "f0_p95_hz": 240.0}, {"melody": "wide"}),
        ({"f0_slope_hz_per_s": 12.0}, {"course": "rising"}),
        ({"f0_slope_hz_per_s": -12.0}, {"course": "falling"}),
        ({"f0_slope_hz_per_s": -1e9}, {"course": "falling"}),
        ({"f0_slope_hz_per_s": -5.0}, {"course": "steady"}),
        ({"num_pauses": 0}, {"pauses": "none"}),
        ({"num_pauses": 1, "pause_longest_s": 0.9}, {"pauses": "one long"}),
        ({"num_pauses": 2}, {"pauses": "several"}),
    ],
)
def test_measurements_become_classes(changes: dict[str, Any], expected: dict[str, str]) -> None:
    profile = make_profile(acoustics(**changes), 4.0)
    assert {name: getattr(profile, name) for name in expected} == expected


def _states(text: str, profile: Profile, *, is_fine: bool) -> None:
    stated = read_attributes(text)
    for field in ("gender", "pitch", "rate", "volume"):
        assert (getattr(stated, field) or "unknown") == getattr(profile, field), text
    if is_fine:
        course = profile.course if profile.course in {"rising", "falling"} else None
        assert stated.direction("pitch") == course, text
        assert stated.pauses is not None
        assert stated.pauses.count == profile.pauses.split()[0], text
    assert stated.direction("loudness") is stated.direction("rate") is None, text
    assert (stated.emotions, stated.timbre, stated.sounds, stated.age_group) == ((), (), (), None), text


def test_captions_state_the_profile_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for measured in _measured():
        profile = make_profile(measured, 4.0)
        _states(fine_caption(profile, rng), profile, is_fine=True)
        attributes = global_caption(profile, rng)
        _states(attributes.caption, profile, is_fine=False)
        assert (attributes.gender, attributes.pitch, attributes.rate, attributes.volume) == (
            *(profile.gender, profile.pitch),
            *(profile.rate, profile.volume),
        )
        assert attributes.timbre == attributes.emotion == attributes.accent == attributes.age_group == "unknown"


def test_captions_pass_every_rule() -> None:
    rng = np.random.default_rng(1)
    for measured in _measured():
        profile = make_profile(measured, 4.0)
        texts = {
            Granularity.FINE: fine_caption(profile, rng),
            Granularity.GLOBAL: global_caption(profile, rng).model_dump_json(),
        }
        for granularity, text in texts.items():
            parsed = parse_answer(granularity, text)
            verdict = judge(Answer(granularity, parsed, completion(text), VerificationConfig()))
            assert verdict.kept, (verdict, text)


def test_global_requests_get_json_and_fine_ones_prose() -> None:
    (fine,) = _complete(_request())
    (profile,) = _complete(_request(json_schema=global_caption_schema()))
    assert not fine.text.startswith("{")
    assert GlobalCaption.model_validate_json(profile.text).model_dump_json() == profile.text


def test_another_schema_is_refused() -> None:
    with pytest.raises(EngineRequestError, match="global captions and no other"):
        _complete(_request(json_schema={"type": "object"}))


def test_seeds_choose_among_paraphrases_and_temperature_0_chooses_one() -> None:
    drawn = _complete(_request(num_completions=8))
    assert [one.seed for one in drawn] == list(range(7, 15))
    assert len({one.text for one in drawn}) > 4
    greedy = _complete(_request(num_completions=8, sampling=Sampling(temperature=0)))
    assert len({one.text for one in greedy}) == 1


def test_answers_beyond_the_limit_of_words_are_cut_off_and_say_so() -> None:
    (cut,) = _complete(_request(sampling=Sampling(max_tokens=3)))
    assert (cut.finish_reason, cut.num_output_tokens, len(cut.text.split())) == ("length", 3, 3)


def test_the_identity_changes_with_the_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    before = asyncio.run(CascadeEngine().start())
    monkeypatch.setattr("fcaps_pipeline.annotate.engines.cascade_wording._VERBS", ("sings",))
    after = asyncio.run(CascadeEngine().start())
    assert before.model_revision != after.model_revision == f"sha256:{templates_sha256()}"
    assert (before.engine, before.engine_version, before.model) == (after.engine, after.engine_version, after.model)


def test_the_captioner_keeps_what_it_writes() -> None:
    captions = {
        Granularity.FINE: CaptionConfig(engine="c", prompt="embedded_fine.v1", num_candidates=3, keep=2),
        Granularity.GLOBAL: CaptionConfig(engine="c", prompt="embedded_global.v1"),
    }
    prompts = load_prompts({name.value: config.prompt for name, config in captions.items()})
    engine = build_engine(CascadeEngineConfig(kind="cascade"))
    annotator = SegmentAnnotator(engine, captions, VerificationConfig(), prompts, shipped_bounds())
    fine, profile = asyncio.run(annotator.caption(segment_audio()))
    assert len(fine.kept) >= 1
    assert len(profile.kept) == 1
    assert profile.kept[0].provenance.engine == "cascade"


def test_the_shipped_job_is_ready_to_run() -> None:
    job = load_job(shipped_folder("jobs") / "annotate_cascade_baseline_cpu.yaml")
    assert {engine.kind for engine in job.engines.values()} == {"cascade"}
    check_before_start(job)
