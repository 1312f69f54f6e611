"""Finds the walker through a kind of container.

Enters: a FileView and its Kind. Leaves: an Outline. Nothing is decoded. A length field that tells too little is
corrected for the decoder, because what lies behind it is sound all the same; one that tells too much is a promise
broken, and `stream` says so once the sound has been decoded.
"""

from collections.abc import Callable

from fcaps_pipeline.audio.containers import boxes, chunks, elements, pages, tags
from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.kinds import Kind
from fcaps_pipeline.audio.view import FileView

_WALKERS: dict[str, Callable[[FileView], Outline]] = {
    "wav": chunks.outline_wav,
    "aiff": chunks.outline_aiff,
    "iff": chunks.outline_iff,
    "voc": chunks.outline_voc,
    "flac": tags.outline_flac,
    "gsm": tags.outline_gsm,
    "sox": chunks.outline_sox,
    "dsf": chunks.outline_dsf,
    "rm": chunks.outline_realmedia,
    "w64": chunks.outline_w64,
    "caf": chunks.outline_caf,
    "au": chunks.outline_au,
    "nistsphere": chunks.outline_sphere,
    "avi": chunks.outline_avi,
    "mov": boxes.outline_mov,
    "matroska": elements.outline_matroska,
    "ogg": pages.outline_ogg,
    "mp3": tags.outline_mpeg_audio,
    "asf": tags.outline_asf,
    "flv": tags.outline_flv,
}


def walk(view: FileView, kind: Kind) -> Outline:
    """What the container promises; nothing where it has no such promise.

    Raises:
        RecordingError: the container says that no kept decoder can read it.
        StorageError: the storage fails.
    """
    walker = _WALKERS.get(kind.demuxer)
    return Outline() if walker is None else walker(view)
