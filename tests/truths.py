"""A known truth that captions are held against."""

from fcaps_pipeline.lab.synthesis.truth import SpeechTruth

STEADY_MAN = SpeechTruth(
    voice="espeak:en-us+m3",
    speaker="espeak:en-us+m3 x1.00",
    gender="male",
    transcript="Well.",
    voice_quality="modal",
    f0_median_hz=100.0,
    pitch="low",
    articulation_rate_hz=3.0,
    rate="slow",
    loudness_lufs=-35.0,
    volume="soft",
    loudness_change_db=0.0,
    loudness="steady",
    pitch_change_semitones=0.0,
    pitch_course="steady",
    rate_change_ratio=1.0,
    rate_course="steady",
    pauses=(),
    events=(),
    snr_db=None,
    reverberation_s=None,
)
