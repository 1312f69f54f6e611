"""The border to transformers: encoders, feature extractors and tokenizers by hub name or from a folder.

transformers has no types here, so its objects are `Any`; its many exceptions become one ModelError. It takes seconds
to load, in every process of a training, and is imported only where a tower is a pretrained one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.jobs.resources import resolve_path

_T5_KINDS = ("mt5", "t5", "umt5")
"""Kinds whose encoder has a class of its own."""

_VOCABULARY_FILES = ("tokenizer.json", "vocab.*", "*.model")


@dataclass(frozen=True)
class Origin:
    """Where a tower comes from."""

    location: str
    """Folder, or name on the model hub."""

    revision: str | None = None
    """Revision on the hub."""

    has_weights: bool = True
    """False for the tower folder of a saved dual encoder, whose weights lie with the whole model."""

    @classmethod
    def find(cls, name: str, revision: str | None) -> "Origin":
        """Tells folders from hub names: `a/b` and `a` are hub names unless such a folder exists.

        Raises:
            ModelError: the folder does not exist.
        """
        path = resolve_path(name)
        if path.is_dir():
            return cls(str(path))
        if name.startswith(("/", ".", "~", "package:")) or name.count("/") > 1:
            raise ModelError(f"tower folder {path} does not exist; give a folder with config.json and *.safetensors")
        return cls(name, revision)

    def read_config(self) -> Any:
        """The transformers configuration.

        Raises:
            ModelError: there is none, or transformers does not know its kind.
        """
        from transformers import AutoConfig

        with self._one_error("config.json"):
            config = AutoConfig.from_pretrained(self.location, revision=self.revision)
        # Only generation has a use for the cache, and it excludes checkpointing.
        config.use_cache = False
        return config

    def read_feature_extractor(self) -> Any:
        """The feature extractor that belongs to a speech encoder.

        Raises:
            ModelError: there is none.
        """
        from transformers import AutoFeatureExtractor

        with self._one_error("preprocessor_config.json"):
            return AutoFeatureExtractor.from_pretrained(self.location, revision=self.revision)

    def read_tokenizer(self) -> Any:
        """The tokenizer that belongs to a text encoder.

        Raises:
            ModelError: there is none.
        """
        from transformers import AutoTokenizer

        folder = Path(self.location)
        # transformers would make a tokenizer without any vocabulary.
        if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in _VOCABULARY_FILES):
            raise ModelError(f"folder {folder} has no tokenizer.json or other vocabulary; copy the whole model into it")
        with self._one_error("tokenizer"):
            return AutoTokenizer.from_pretrained(self.location, revision=self.revision)

    def load_encoder(self, config: Any) -> nn.Module:
        """The encoder in float32, without decoder and pooler; random where the origin has no weights.

        Raises:
            ModelError: the weights are missing, unreadable, or do not fit the configuration.
        """
        from transformers import AutoModel, AutoModelForTextEncoding

        family = AutoModelForTextEncoding if config.model_type in _T5_KINDS else AutoModel
        if not self.has_weights:
            return _only_encoder(family.from_config(config))
        with self._one_error("weights"), _no_load_report():
            model, report = family.from_pretrained(
                self.location, revision=self.revision, config=config, dtype=torch.float32, output_loading_info=True
            )
        missing = sorted(key for key in report["missing_keys"] if not key.startswith(("pooler.", "decoder.")))
        if missing:
            raise ModelError(
                f"the weights of {self.location} lack {len(missing)} tensors of a {config.model_type} encoder, "
                f"first {missing[0]}; give the folder of a whole model"
            )
        return _only_encoder(model)

    @contextmanager
    def _one_error(self, part: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            detail = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            kind = "folder" if Path(self.location).is_dir() else "hub model"
            raise ModelError(
                f"{kind} {self.location}: no usable {part}: {detail}; give a whole model folder or another name"
            ) from error


def enable_checkpointing(encoder: Any) -> None:
    """Switches an encoder's own activation checkpointing on.

    Raises:
        ModelError: its architecture has none.
    """
    if not encoder.supports_gradient_checkpointing:
        kind = encoder.config.model_type
        raise ModelError(f"encoders of kind {kind} cannot recompute activations; switch gradient checkpointing off")
    encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


@contextmanager
def _no_load_report() -> Iterator[None]:
    from transformers.utils import logging

    # transformers tabulates every tensor it does not load, such as a whole decoder; the missing ones are checked here.
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _only_encoder(model: Any) -> nn.Module:
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    for unused in ("pooler", "masked_spec_embed"):
        # A parameter without a gradient stops distributed training.
        if hasattr(encoder, unused):
            setattr(encoder, unused, None)
    module: nn.Module = encoder
    return module
