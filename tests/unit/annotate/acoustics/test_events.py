from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fcaps_pipeline.annotate.acoustics.analysis import analyse
from fcaps_pipeline.annotate.acoustics.event_bounds import EventBounds, EventKind, shipped_event_bounds
from fcaps_pipeline.annotate.acoustics.events import PROPOSED_SOURCE, SOURCE, accept, find_events
from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.acoustics.timbre import QUALITIES, measure_timbre
from fcaps_pipeline.annotate.acoustics.voice_states import STATES, StateNetwork
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Event, EventPhrase
from fcaps_pipeline.records.captions import EventProposal, EventProposals

Pcm = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

SHIPPED = shipped_event_bounds()
NUM = len(QUALITIES)
ALWAYS_MODAL = StateNetwork(
    mean_Q=(0.0,) * NUM,
    scale_Q=(1.0,) * NUM,
    hidden_QH=((0.0,),) * NUM,
    hidden_H=(0.0,),
    out_HS=((0.0,) * len(STATES),),
    out_S=(5.0, *(0.0,) * (len(STATES) - 1)),
)
LEAST: dict[str, float] = {"pauses": 0.2, "grows louder": 6.0, "grows softer": 6.0, "raises the pitch": 2.5}
LENIENT = EventBounds(
    provenance="all that is heard",
    kinds=tuple(
        EventKind(phrase=phrase, bound=LEAST.get(phrase, 0.25), scores=(0.0, 5.0), shares=(0.5, 0.75))
        for phrase in get_args(EventPhrase)
    ),
    states=ALWAYS_MODAL,
)


def pcm(audio_T: Floats) -> Pcm:
    return np.rint(audio_T * 32_767).clip(-32_768, 32_767).astype(np.int16)


def voice(seconds: float, f0_hz: float = 140.0, syllables_hz: float = 4.0) -> Floats:
    """A buzz of twenty harmonics that rises and falls with the syllables and is unvoiced for a moment between them."""
    time_s_T = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    buzz_T = sum(np.sin(2 * np.pi * k * f0_hz * time_s_T) / k for k in range(1, 20))
    swell_T = np.clip(0.55 - 0.5 * np.cos(2 * np.pi * syllables_hz * time_s_T), 0.0, 1.0)
    return np.asarray(0.12 * buzz_T * np.where(swell_T < 0.3, 0.003, swell_T))


def silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ))


def found(audio_T: Floats, phrase: str) -> list[Event]:
    return [one for one in find_events(analyse(pcm(audio_T)), LENIENT) if one.phrase == phrase]


def spans_s(events: list[Event]) -> list[tuple[float, float]]:
    return [(one.start_samples / SAMPLE_RATE_HZ, one.end_samples / SAMPLE_RATE_HZ) for one in events]


def test_a_pause_is_placed_to_a_few_hundredths_of_a_second() -> None:
    events = found(np.concatenate([voice(1.5), silence(0.7), voice(1.5)]), "pauses")
    ((start_s, end_s),) = spans_s(events)
    assert start_s == pytest.approx(1.5, abs=0.08)
    assert end_s == pytest.approx(2.2, abs=0.08)


def test_a_step_of_the_pitch_is_heard_where_it_is_and_lasts_to_the_end() -> None:
    ((start_s, end_s),) = spans_s(found(np.concatenate([voice(2), voice(2, f0_hz=190)]), "raises the pitch"))
    assert start_s == pytest.approx(2.0, abs=0.15)
    assert end_s == pytest.approx(4.0, abs=0.15)
    assert not found(np.concatenate([voice(2), voice(2, f0_hz=190)]), "lowers the pitch")
    assert found(np.concatenate([voice(2, f0_hz=190), voice(2)]), "lowers the pitch")
    assert not found(voice(4), "raises the pitch")


def test_another_pace_is_heard_in_both_directions() -> None:
    slow_T, fast_T = voice(3, syllables_hz=2.5), voice(3, syllables_hz=5.5)
    ((start_s, _),) = spans_s(found(np.concatenate([slow_T, fast_T]), "speaks faster"))
    assert start_s == pytest.approx(3.0, abs=0.5)
    assert found(np.concatenate([fast_T, slow_T]), "speaks slower")
    assert not found(np.concatenate([slow_T, slow_T]), "speaks faster")


def test_what_grows_is_told_from_what_is_louder_now() -> None:
    steady_T = voice(4)
    growing_T = voice(3) * 10 ** (np.linspace(0, 16, 48_000) / 20)
    ((start_s, end_s),) = spans_s(found(0.2 * np.concatenate([steady_T, growing_T]), "grows louder"))
    assert start_s == pytest.approx(4.0, abs=0.6)
    assert end_s == pytest.approx(7.0, abs=0.3)
    assert not found(0.2 * np.concatenate([steady_T, growing_T]), "grows softer")
    assert not found(np.concatenate([0.2 * steady_T, steady_T]), "grows louder")


def test_nothing_happens_in_silence_or_in_what_is_too_short_for_any_frame() -> None:
    assert find_events(analyse(np.zeros(48_000, np.int16)), LENIENT) == ()
    assert find_events(analyse(pcm(voice(0.04))), LENIENT) == ()
    assert find_events(analyse(np.zeros(0, np.int16)), LENIENT) == ()
    assert measure_segment(np.zeros(100, np.int16)).events == ()


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["voice", "noise", "silence", "square"]),
        st.floats(0.01, 2.0),
        st.floats(70.0, 400.0),
        st.floats(0.0, 1.0),
    ),
    max_size=5,
)


def _sound(parts: list[tuple[str, float, float, float]]) -> Pcm:
    return pcm(np.concatenate([np.zeros(1), *(level * _part(kind, seconds, f0) for kind, seconds, f0, level in parts)]))


def _part(kind: str, seconds: float, f0_hz: float) -> Floats:
    num_samples = round(seconds * SAMPLE_RATE_HZ)
    if kind == "voice":
        return voice(seconds, f0_hz)
    if kind == "noise":
        return 0.2 * np.random.default_rng(num_samples).standard_normal(num_samples)
    return silence(seconds) if kind == "silence" else np.sign(np.sin(np.arange(num_samples) / 20))


@settings(max_examples=40, deadline=None)
@given(PARTS)
def test_events_lie_in_the_segment_in_order_and_are_always_the_same(
    parts: list[tuple[str, float, float, float]],
) -> None:
    pcm_T = _sound(parts)
    for bounds in (LENIENT, SHIPPED):
        events = find_events(analyse(pcm_T), bounds)
        assert events == find_events(analyse(pcm_T.copy()), bounds)
        assert all(0 <= one.start_samples < one.end_samples <= len(pcm_T) for one in events)
        assert list(events) == sorted(events, key=lambda one: (one.start_samples, one.end_samples, one.phrase))
        assert all(one.confidence is not None and one.source == SOURCE for one in events)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.int16, st.integers(0, 6_000)))
def test_any_samples_have_a_timbre_and_events(pcm_T: Pcm) -> None:
    analysis = analyse(pcm_T)
    timbre_MQ = measure_timbre(analysis)
    assert timbre_MQ.shape[1] == len(QUALITIES)
    assert np.isfinite(timbre_MQ).all()
    assert all(one.end_samples <= len(pcm_T) for one in find_events(analysis, LENIENT))


def _proposals(*events: tuple[EventPhrase, float, float]) -> EventProposals:
    return EventProposals(
        events=tuple(EventProposal(phrase=phrase, start_s=start, end_s=end) for phrase, start, end in events)
    )


def test_of_what_a_model_proposes_only_what_is_measured_is_accepted() -> None:
    analysis = analyse(pcm(np.concatenate([voice(1.5), silence(0.7), voice(1.5, f0_hz=190)])))
    proposed = _proposals(
        ("pauses", 1.5, 2.2),
        ("pauses", 0.3, 1.0),
        ("raises the pitch", 2.2, 60.0),
        ("lowers the pitch", 2.2, 3.7),
        ("raises the pitch", 3.7, 3.7),
        ("whispers", 8.0, 9.0),
    )
    accepted = accept(proposed, analysis, LENIENT)
    assert [(one.phrase, one.source) for one in accepted] == [
        ("pauses", PROPOSED_SOURCE),
        ("raises the pitch", PROPOSED_SOURCE),
    ]
    assert accepted[1].end_samples == pytest.approx(3.7 * SAMPLE_RATE_HZ, abs=800)
    assert accept(_proposals(), analysis, LENIENT) == ()
    assert accept(proposed, analyse(np.zeros(0, np.int16)), LENIENT) == ()


def test_what_is_seldom_right_is_not_given() -> None:
    kind = EventKind(phrase="laughs", bound=0.5, scores=(-1.0, 0.2, 1.0), shares=(0.1, 0.6, 0.9))
    assert kind.confidence(0.4) is None
    assert kind.confidence(0.5) == 0.6
    assert kind.confidence(7.0) == 0.9
    assert kind.model_copy(update={"bound": None}).confidence(7.0) is None
    assert SHIPPED.confidence("pauses", 1.0) is not None
