"""No file makes the reader open another, whatever its name; and what is no audio says what it is instead."""

from pathlib import Path

import pytest
import soundfile

from fcaps_pipeline.audio.kinds import looks_like_audio
from fcaps_pipeline.audio.probe import probe_duration_s
from fcaps_pipeline.errors import RecordingError
from tests.contracts.reader.making import decode, melody

SCRIPTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "m3u": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "pls": "[playlist]\nFile1={target}\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?>\n<MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>\n',
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>\n',
    "smil": '<smil><body><audio src="{target}"/></body></smil>\n',
}
OTHERS = {
    "Git LFS pointer.*git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "HTML": b"\xef\xbb\xbf\n <!DOCTYPE html><html><body>404</body></html>",
    "holds XML": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "holds JSON": b'{"error": "not found"}',
    "holds text": "これは音ではない\n".encode() * 9,
    "is not audio": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("suffix", ["wav", "mp3", "m4a", "ogg", "txt", "ffconcat", "m3u8", "sdp"])
@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_is_refused_under_any_name(tmp_path: Path, kind: str, suffix: str) -> None:
    target, script = tmp_path / "target.wav", tmp_path / f"script.{suffix}"
    soundfile.write(target, melody(), 16_000)
    script.write_text(SCRIPTS[kind].format(target=target))
    with pytest.raises(RecordingError, match=r"names|XML"):
        decode(script)
    assert probe_duration_s(str(script)) is None
    assert not looks_like_audio(str(script))


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_audio_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(OTHERS[what])
    with pytest.raises(RecordingError, match=what):
        decode(path)
    assert not looks_like_audio(str(path))


@pytest.mark.parametrize("name", ["concat:target.wav", "file:target.wav", "subfile,,start,0,end,9,,:target.wav", "-"])
def test_a_name_is_never_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("target.wav", melody(), 16_000)
    Path(name).write_bytes(Path("target.wav").read_bytes()[: 44 + 16_000])
    with pytest.raises(RecordingError, match="truncated"):
        decode(Path(name))


@pytest.mark.parametrize("suffix", ["", ".txt", ".raw", ".wave", ".mp3", ".3gp"])
def test_sound_is_taken_under_any_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sound{suffix}"
    soundfile.write(path, melody(), 16_000, format="WAV")
    assert looks_like_audio(str(path))
    assert decode(path)[0].shape[1] == len(melody())


def test_raw_samples_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes((melody() * 32767).astype("<i2").tobytes())
    with pytest.raises(RecordingError, match="raw samples, which have no header"):
        decode(path)
