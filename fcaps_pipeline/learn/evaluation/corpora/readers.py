"""The corpora that zero-shot classification is measured on, by the names that jobs use.

A reader takes the folder of an unpacked corpus; it gives labelled clips, and by name every file that is none.
Emotions are words as the zero-shot sentences of CLSP use them: `fear` and `disgust`, not `fearful` and `disgusted`.
Audio files are not opened here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from fcaps_pipeline.learn.evaluation.corpora.crema_d import read_crema_d
from fcaps_pipeline.learn.evaluation.corpora.iemocap import read_iemocap
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledCorpus
from fcaps_pipeline.learn.evaluation.corpora.ravdess import read_ravdess

READERS: Mapping[str, Callable[[Path], LabelledCorpus]] = {
    "ravdess": read_ravdess,
    "crema_d": read_crema_d,
    "iemocap": read_iemocap,
}
