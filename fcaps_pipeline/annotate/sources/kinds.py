"""Which files are taken for audio: by suffix where that tells, by their first bytes where it does not.

Enters: a name. Leaves: whether it becomes a Recording. A known suffix of audio is believed, so that a broken file fails
by name instead of being passed over; a known suffix of something else is not looked into.
"""

from pathlib import PurePath

from fcaps_pipeline.audio.kinds import looks_like_audio


def _suffixes(words: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in words.split())


AUDIO_SUFFIXES = _suffixes(
    """
    3g2 3ga 3gp aac ac3 aif aifc aiff alaw amr ape asf au avi awb caf dff dsf dts eac3 f4v flac flv g722 gsm m1a m2a
    m2ts m4a m4b m4r m4v mka mkv mlp mov mp1 mp2 mp3 mp4 mp4a mpa mpeg mpg mpga mts nist oga ogg ogm ogv opus qt ra
    rf64 rm shn snd sph spx tta ts ulaw vob voc w64 wav wave webm weba wma wmv wv wv1 wv2
    """
)
"""Suffixes, in lower case, of what libsndfile or FFmpeg may read, sound of videos among them."""

_OTHER_SUFFIXES = _suffixes(
    """
    7z arrow bin bmp bz2 c cfg cha csv ctm ctl cue dat db doc docx eaf flist gif gz h heic html ini ipynb jpeg jpg
    js  json jsonl lab list log lst m3u m3u8 md mid midi mlf npy npz par parquet pdf phn pickle pkl png pptx ps pt
    py rar  rst rtf scp seg sgml sh sha256 sql srt stm svg tar textgrid tex tgz tif tiff toml trs tsv txt utt vtt
    webp wrd  xls xlsx xml yaml yml zip zst
    """
)
"""Suffixes, in lower case, of what commonly lies beside audio and is none."""


def is_taken(path: PurePath, location: str | None = None) -> bool:
    """Whether a regular file is taken for audio.

    Args:
        path: its name; of what lies inside a file, the name that it has there.
        location: where its bytes are; None where the path says so.
    """
    suffix = path.suffix.lower()
    return suffix in AUDIO_SUFFIXES or (suffix not in _OTHER_SUFFIXES and looks_like_audio(location or str(path)))
