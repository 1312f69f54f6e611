"""The formats of `fcaps export`, by name."""

from fcaps_pipeline.release.export.audiofolder import Audiofolder
from fcaps_pipeline.release.export.energon import Energon
from fcaps_pipeline.release.export.fcaps import Fcaps
from fcaps_pipeline.release.export.form import Form, FormatName
from fcaps_pipeline.release.export.labelstudio import LabelStudio
from fcaps_pipeline.release.export.parquet import Parquet
from fcaps_pipeline.release.export.shar import Shar
from fcaps_pipeline.release.export.webdataset import Webdataset

FORMS: dict[FormatName, Form] = {
    "fcaps": Fcaps(),
    "shar": Shar(),
    "webdataset": Webdataset(),
    "energon": Energon(),
    "audiofolder": Audiofolder(),
    "parquet": Parquet(),
    "labelstudio": LabelStudio(),
}
