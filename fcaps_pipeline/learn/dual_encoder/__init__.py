"""The contrastive speech-text model, free of training: build, load, embed, compare, save.

    from fcaps_pipeline.learn.dual_encoder import DualEncoder, collate_audio

    model = DualEncoder.from_pretrained("model")
    speech_BE = model.encode_speech(*collate_audio([audio_T]))
    similarity_BN = model.similarity(speech_BE, model.encode_text(["A calm, low voice."]))

The names below are imported on first use, so that job files can read `config` without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcaps_pipeline.learn.dual_encoder.audio_batch import collate_audio
    from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig
    from fcaps_pipeline.learn.dual_encoder.model import DualEncoder, SpeechEmbeddings
    from fcaps_pipeline.learn.dual_encoder.tokenization import Tokens

__all__ = ["DualEncoder", "DualEncoderConfig", "SpeechEmbeddings", "Tokens", "collate_audio"]

_HOMES = {
    "DualEncoder": "model",
    "DualEncoderConfig": "config",
    "SpeechEmbeddings": "model",
    "Tokens": "tokenization",
    "collate_audio": "audio_batch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
