"""The facts of the captioner's captions, as the model card counts them.

Enters: a fine caption or the JSON of a global one. Leaves: `ReadFacts`, with None where the caption
says nothing. What a caption states is read by `attributes`, which knows nothing of this captioner.
"""

from pydantic import ValidationError

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import StatedAttributes, StatedPauses
from fcaps_pipeline.lab.caption_scores import stated_by_fields
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import GlobalCaption


class ReadFacts(Record):
    """What a caption states; None where it is silent."""

    speech: bool
    """False where the caption says that nobody speaks."""
    gender: str | None = None
    voice_quality: str | None = None
    """`whisper`, or `modal` where no other quality is named."""
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None
    loudness: str | None = None
    pitch_course: str | None = None
    rate_course: str | None = None
    pauses: str | None = None
    """`none`, `several`, or the place of the only one."""


def read_fine(text: str) -> ReadFacts:
    """Facts of a fine caption; a course it does not mention counts as steady, a pause as absent."""
    stated = read_attributes(text)
    if not stated.speech:
        return ReadFacts(speech=False)
    return _profile(stated).model_copy(
        update={
            "loudness": stated.direction("loudness") or "steady",
            "pitch_course": stated.direction("pitch") or "steady",
            "rate_course": stated.direction("rate") or "steady",
            "pauses": _pause_word(stated.pauses),
        }
    )


def read_global(text: str) -> ReadFacts | None:
    """Facts of a global caption; None when it is not valid JSON of the schema."""
    try:
        caption = GlobalCaption.model_validate_json(text)
    except ValidationError:
        return None
    prose = read_attributes(caption.caption)
    # A whisper has no field of its own, so the prose tells it.
    stated = stated_by_fields(caption).model_copy(update={"voice_qualities": prose.voice_qualities})
    return _profile(stated).model_copy(update={"speech": prose.speech})


def _profile(stated: StatedAttributes) -> ReadFacts:
    return ReadFacts(
        speech=True,
        gender=stated.gender,
        voice_quality="whisper" if "whisper" in stated.voice_qualities else "modal",
        pitch=stated.pitch,
        rate=stated.rate,
        volume=stated.volume,
    )


def _pause_word(pauses: StatedPauses | None) -> str | None:
    if pauses is None:
        return "none"
    return pauses.place if pauses.count == "one" else pauses.count
