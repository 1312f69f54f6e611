"""Readers find labels in names and tables, and name every file that gives no clip. The files are empty."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.corpora.crema_d import read_crema_d
from fcaps_pipeline.learn.evaluation.corpora.iemocap import IEMOCAP_4_EMOTIONS, IEMOCAP_4_MERGES, read_iemocap
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledClip, with_emotions
from fcaps_pipeline.learn.evaluation.corpora.ravdess import read_ravdess
from fcaps_pipeline.learn.evaluation.corpora.readers import READERS

_TURNS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_F001\texc\t[4.0000, 4.0000, 2.5000]
[11.0 - 12.0]\tSes01F_impro01_M000\tfru\t[2.0000, 3.5000, 3.5000]
[12.0 - 13.0]\tSes01F_impro01_M001\txxx\t[2.0000, 3.5000, 3.5000]
[13.0 - 14.0]\tSes01F_impro01_M002\tang\t[1.0000, 4.5000, 4.5000]
[14.0 - 15.0]\tSes01F_impro01_M003\tzzz\t[1.0000, 4.5000, 4.5000]
"""


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _passed_over(items: Sequence[object]) -> dict[str, str]:
    return {Path(item.path).name: item.reason for item in items}  # type: ignore[attr-defined]


def test_ravdess_names_tell_emotion_gender_and_actor(tmp_path: Path) -> None:
    _touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav", "Actor_01/03-01-02-02-01-02-01.wav")
    corpus = read_ravdess(tmp_path)
    assert corpus.clips == (
        LabelledClip(
            path=str(tmp_path / "Actor_01/03-01-02-02-01-02-01.wav"),
            emotion="calm",
            gender="male",
            age_years=None,
            speaker="01",
        ),
        LabelledClip(
            path=str(tmp_path / "Actor_12/03-01-06-01-02-01-12.wav"),
            emotion="fear",
            gender="female",
            age_years=None,
            speaker="12",
        ),
    )
    assert corpus.passed_over == ()


def test_ravdess_names_what_it_passes_over(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "Actor_01/03-01-01-01-01-01-01.wav",
        "copy/Actor_01/03-01-01-01-01-01-01.wav",
        "Actor_01/03-02-03-01-01-01-01.wav",
        "Actor_01/03-01-09-01-01-01-01.wav",
        "Actor_01/03-01-01-01-01-01-25.wav",
        "Actor_01/01-01-01-01-01-01-01.mp4",
        "Actor_01/._03-01-01-01-01-01-01.wav",
    )
    corpus = read_ravdess(tmp_path)
    assert len(corpus.clips) == 1
    assert len(corpus.passed_over) == 6
    assert _passed_over(corpus.passed_over) == {
        "03-01-01-01-01-01-01.wav": "a second file of the same name",
        "03-02-03-01-01-01-01.wav": "a song",
        "03-01-09-01-01-01-01.wav": "the name is none of RAVDESS audio",
        "03-01-01-01-01-01-25.wav": "the name is none of RAVDESS audio",
        "01-01-01-01-01-01-01.mp4": "not a .wav file",
        "._03-01-01-01-01-01-01.wav": "hidden file",
    }
    assert corpus.passed_over_by_reason["the name is none of RAVDESS audio"] == 2


@pytest.mark.parametrize("given", ["", "AudioWAV"])
def test_crema_d_takes_gender_and_age_from_its_table(tmp_path: Path, given: str) -> None:
    _touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav", "AudioWAV/1099_IEO_HAP_HI.wav")
    _touch(tmp_path, "AudioWAV/1001_DFA_BAD_XX.wav", "AudioWAV/notes.txt")
    (tmp_path / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1040,19,Female,Asian,Not Hispanic\n"
    )
    corpus = read_crema_d(tmp_path / given)
    found = [(clip.emotion, clip.gender, clip.age_years, clip.age_group, clip.speaker) for clip in corpus.clips]
    assert found == [
        ("angry", "male", 51, "middle-aged", "1001"),
        ("sad", "female", 19, "child", "1040"),
        ("happy", None, None, None, "1099"),
    ]
    reasons = _passed_over(corpus.passed_over)
    assert reasons["1001_DFA_BAD_XX.wav"] == "the name is none of CREMA-D"
    assert reasons["notes.txt"] == "not a .wav file"


def test_crema_d_without_its_table_knows_neither_gender_nor_age(tmp_path: Path) -> None:
    (clip,) = read_crema_d(_touch(tmp_path, "1001_DFA_ANG_XX.wav")).clips
    assert (clip.gender, clip.age_years) == (None, None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("Actor,Age,Sex\n1001,51,Male\n", r"VideoDemographics\.csv:2: expected the columns ActorID"),
        ("ActorID,Age,Sex\n1001,51,Male\n1002,old,Male\n", r":3: .*'old'"),
        ("ActorID,Age,Sex\n1001,51,None\n", r":2: .*found Sex 'None'"),
        ("ActorID,Age,Sex\n1001\n", r":2: expected"),
    ],
)
def test_a_bad_table_of_crema_d_is_one_clear_line(tmp_path: Path, table: str, message: str) -> None:
    _touch(tmp_path, "1001_DFA_ANG_XX.wav")
    (tmp_path / "VideoDemographics.csv").write_text(table)
    with pytest.raises(SourceError, match=message):
        read_crema_d(tmp_path)


def _iemocap(root: Path) -> Path:
    audio = "Session1/sentences/wav/Ses01F_impro01"
    _touch(root, *(f"{audio}/Ses01F_impro01_{turn}.wav" for turn in ("F000", "F001", "M000", "M001", "M009")))
    _touch(root, "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt", "Session1/dialog/wav/x.wav")
    _touch(root, "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt")
    (root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").write_text(_TURNS)
    return root


def test_iemocap_reads_labels_and_names_what_has_no_partner(tmp_path: Path) -> None:
    corpus = read_iemocap(_iemocap(tmp_path))
    found = [(Path(clip.path).stem[-4:], clip.emotion, clip.gender, clip.speaker) for clip in corpus.clips]
    assert found == [
        ("F000", "neutral", "female", "Ses01F"),
        ("F001", "excited", "female", "Ses01F"),
        ("M000", "frustrated", "male", "Ses01M"),
        ("M001", None, "male", "Ses01M"),
    ]
    assert _passed_over(corpus.passed_over) == {
        "Ses01F_impro01.txt:10": "a label without audio",
        "Ses01F_impro01.txt:11": "a line that is no label of IEMOCAP",
        "Ses01F_impro01_M009.wav": "audio without a label",
        "Ses01F_impro01_e1_cat.txt": "not a .wav file",
        "._Ses01F_impro01.txt": "hidden file",
        "x.wav": "a .wav file outside sentences/wav",
    }


@pytest.mark.parametrize("name", ["Ses05M_script01_1b_F012", "Ses03F_impro08_MXX0", "Ses01F_script01_1_M000"])
def test_iemocap_names_of_scripts_are_read_too(tmp_path: Path, name: str) -> None:
    session, dialog = f"Session{name[4]}", name.rpartition("_")[0]
    _touch(tmp_path, f"{session}/sentences/wav/{dialog}/{name}.wav", f"{session}/dialog/EmoEvaluation/{dialog}.txt")
    (tmp_path / session / "dialog/EmoEvaluation" / f"{dialog}.txt").write_text(
        f"[0.0 - 1.0]\t{name}\tsad\t[2.5, 2.5, 2.5]\n"
    )
    (clip,) = read_iemocap(tmp_path).clips
    assert clip.speaker == name[:5] + name.rpartition("_")[2][0]


def test_iemocap_4_counts_excited_as_happy_and_names_the_rest(tmp_path: Path) -> None:
    corpus = with_emotions(read_iemocap(_iemocap(tmp_path)), IEMOCAP_4_EMOTIONS, IEMOCAP_4_MERGES)
    assert [clip.emotion for clip in corpus.clips] == ["neutral", "happy"]
    reasons = _passed_over(corpus.passed_over)
    assert reasons["Ses01F_impro01_M000.wav"] == "emotion frustrated"
    assert reasons["Ses01F_impro01_M001.wav"] == "emotion without agreement"
    with pytest.raises(SourceError, match="no clip of IEMOCAP has one of the emotions calm"):
        with_emotions(corpus, ["calm"], {})


@pytest.mark.parametrize("name", READERS)
def test_a_missing_folder_or_one_without_such_files_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="is no folder"):
        READERS[name](tmp_path / "none")
    with pytest.raises(SourceError, match="found no file"):
        READERS[name](tmp_path)
    _touch(tmp_path, "speech.wav")
    with pytest.raises(SourceError, match=r"holds no file of .*expected names such as .*found 1 x"):
        READERS[name](tmp_path)


def test_linked_folders_are_read_and_loops_end(tmp_path: Path) -> None:
    _touch(tmp_path, "disk/Actor_01/03-01-01-01-01-01-01.wav")
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "Actor_01").symlink_to(tmp_path / "disk/Actor_01")
    (root / "loop").symlink_to(root)
    corpus = read_ravdess(root)
    assert (len(corpus.clips), corpus.passed_over) == (1, ())
