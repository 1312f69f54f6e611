"""Lines of Lhotse: recordings, cuts and their supervisions, as far as they are of use here.

Fields that Lhotse added and that say nothing of use are passed over. What cannot be annotated is named with what to do.

Source: lhotse/audio/recording.py, lhotse/cut/mono.py, lhotse/cut/multi.py, lhotse/supervision.py.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from fcaps_pipeline.annotate.sources.lines import LINE_FAULT, LONGEST_S, ChannelNumber, PathText, Seconds, Text
from fcaps_pipeline.records.audio import seconds_to_samples

_NOT_TAKEN = {
    "MixedCut": "MixedCuts are not supported; save MonoCuts (`cuts.save_audios`) first",
    "PaddingCut": "a PaddingCut holds no audio; leave it out",
}


class _Foreign(BaseModel):
    """Part of a format that others own: unknown fields are no mistake, and null means that a field is absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {name: value for name, value in content.items() if value is not None}


class _Line(_Foreign):
    """What stands on a line of its own."""

    @model_validator(mode="before")
    @classmethod
    def _name_what_is_not_taken(cls, content: Any) -> Any:
        if isinstance(content, dict) and (hint := _hint(content)) is not None:
            raise PydanticCustomError(LINE_FAULT, hint)
        return content


def _hint(content: dict[str, Any]) -> str | None:
    """Why a line of Lhotse cannot be annotated; None for recordings, MonoCuts and MultiCuts."""
    kind = content.get("type")
    if isinstance(kind, str) and kind in _NOT_TAKEN:
        return _NOT_TAKEN[kind]
    if content.get("tracks") is not None:
        return _NOT_TAKEN["MixedCut"]
    if "feat_value" in content:
        return _NOT_TAKEN["PaddingCut"]
    if content.get("recording") is not None or content.get("sources") is not None:
        return None
    if content.get("features") is not None or "storage_type" in content:
        return "features without a recording hold no sound; annotate the recordings they were made from"
    if content.get("recording_id") is not None and content.get("start") is not None:
        return (
            "supervisions name no audio; join them with their recordings "
            "(`CutSet.from_manifests(recordings=…, supervisions=…).trim_to_supervisions()`) and give the cuts"
        )
    if content.get("channel") is not None:
        return "the cut names no recording; write cuts with their recordings (without `drop_recording`)"
    return None


class LhotseAudioSource(_Foreign):
    """Where the audio of a Lhotse recording lies."""

    type: str
    channels: tuple[ChannelNumber, ...] = (0,)
    source: PathText | Literal[""]
    """Empty where the sound lies in a shard of its own."""


class LhotseRecording(_Line):
    """Lhotse `Recording`."""

    id: Text
    sources: Annotated[tuple[LhotseAudioSource, ...], Field(min_length=1)]
    duration: Seconds
    transforms: tuple[Any, ...] | None = None


class LhotseSupervision(_Foreign):
    """Lhotse `SupervisionSegment`; its times count from the start of the cut it stands in."""

    start: Annotated[float, Field(ge=-LONGEST_S, le=LONGEST_S, allow_inf_nan=False)] = 0.0
    duration: Annotated[float, Field(ge=-LONGEST_S, le=LONGEST_S, allow_inf_nan=False)] | None = None
    text: str | None = None
    speaker: Text | None = None
    language: Text | None = None
    gender: str | None = None
    custom: dict[str, JsonValue] | None = None
    channel: ChannelNumber | tuple[ChannelNumber, ...] | None = None

    def is_on(self, channel: int) -> bool:
        """Whether it tells of a channel."""
        return self.channel in {None, channel} or (isinstance(self.channel, tuple) and channel in self.channel)


class LhotseCut(_Line):
    """Lhotse `MonoCut`, or `MultiCut` where there are several channels."""

    id: Text
    start: Seconds
    duration: Annotated[Seconds, Field(gt=0)]
    channel: ChannelNumber | Annotated[tuple[ChannelNumber, ...], Field(min_length=1)]
    recording: LhotseRecording
    supervisions: tuple[LhotseSupervision, ...] = ()
    custom: dict[str, JsonValue] | None = None

    def by_channel(self) -> Iterator[tuple[int, Self]]:
        """Each channel, and the cut with what is told of that channel."""
        if isinstance(self.channel, int):
            yield self.channel, self
            return
        for channel in dict.fromkeys(self.channel):
            told = tuple(one for one in self.supervisions if one.is_on(channel))
            yield channel, self.model_copy(update={"channel": channel, "supervisions": told})

    def heard(self) -> list[LhotseSupervision]:
        """Supervisions of which something lies inside the cut, by start."""
        inside = [one for one in self.supervisions if self._overlap_samples(one) > 0]
        return sorted(inside, key=lambda one: one.start)

    def _overlap_samples(self, one: LhotseSupervision) -> int:
        end_s = self.duration if one.duration is None else one.start + one.duration
        return seconds_to_samples(min(end_s, self.duration)) - seconds_to_samples(max(one.start, 0.0))


class AnyLine(_Line):
    """Either of the two; a line with a `recording` inside is a cut."""

    recording: Any = None


class _Named(_Foreign):
    id: Text


class CutOf(_Foreign):
    """A cut as far as its recording is concerned."""

    recording: _Named
