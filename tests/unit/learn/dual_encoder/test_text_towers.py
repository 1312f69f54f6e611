import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.dual_encoder.config import PretrainedTextTowerConfig, TextTowerConfig
from fcaps_pipeline.learn.dual_encoder.text_towers import TextTower, build_text_tower
from tests.unit.learn.dual_encoder.building import SMALL_TEXT, TEXTS, write_text_encoder, write_waveform_encoder

pytestmark = pytest.mark.filterwarnings(
    # DeBERTa of transformers.
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)

_KINDS = ["Albert", "Bart", "Bert", "DebertaV2", "DistilBert", "MPNet", "ModernBert", "Roberta", "T5", "XLMRoberta"]
_TOWERS: dict[str, Callable[[Path], TextTowerConfig]] = {"small": lambda folder: SMALL_TEXT} | {
    kind: lambda folder, kind=kind: write_text_encoder(folder, kind)  # type: ignore[misc]
    for kind in _KINDS
}


@pytest.fixture(params=_TOWERS, scope="module")
def tower(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextTower:
    torch.manual_seed(0)
    config = _TOWERS[request.param](tmp_path_factory.mktemp("encoder"))
    return build_text_tower(config, long_texts="truncate", texts=TEXTS).eval()


@torch.inference_mode()
def test_states_do_not_depend_on_the_padding(tower: TextTower) -> None:
    tokens = tower.tokenizer(TEXTS)
    states_NLD = tower(tokens.ids_NL, tokens.mask_NL)
    assert states_NLD.shape[2] == tower.width
    for row, text in enumerate(TEXTS):
        alone = tower.tokenizer([text])
        alone_NLD = tower(alone.ids_NL, alone.mask_NL)
        torch.testing.assert_close(states_NLD[row][tokens.mask_NL[row]], alone_NLD[0], atol=1e-5, rtol=1e-4)


def test_every_weight_learns(tower: TextTower) -> None:
    tokens = tower.tokenizer(TEXTS)
    tower(tokens.ids_NL, tokens.mask_NL).square().mean().backward()
    idle = [name for name, one in tower.named_parameters() if one.requires_grad and one.grad is None]
    assert idle == []


@pytest.mark.parametrize("kind", ["small", "Roberta"])
def test_checkpointing_gives_the_same_gradients(kind: str, tmp_path: Path) -> None:
    gradients = []
    for switch_on in (False, True):
        torch.manual_seed(0)
        tower = build_text_tower(_TOWERS[kind](tmp_path), long_texts="truncate", texts=TEXTS).train()
        if switch_on:
            tower.gradient_checkpointing_enable()
        tokens = tower.tokenizer(TEXTS)
        torch.manual_seed(1)
        tower(tokens.ids_NL, tokens.mask_NL)[tokens.mask_NL].square().mean().backward()
        gradients.append([one.grad for one in tower.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


def test_small_tower_needs_texts_for_its_tokenizer() -> None:
    with pytest.raises(UsageError, match="give at least one text"):
        build_text_tower(SMALL_TEXT, long_texts="truncate")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    config = PretrainedTextTowerConfig(kind="pretrained", name=str(tmp_path / "roberta"))
    with pytest.raises(ModelError, match="roberta does not exist"):
        build_text_tower(config, long_texts="truncate")


def test_speech_encoder_is_no_text_tower(tmp_path: Path) -> None:
    name = write_waveform_encoder(tmp_path).name
    with pytest.raises(ModelError, match=r"is of kind wavlm, not a text encoder .* roberta"):
        build_text_tower(PretrainedTextTowerConfig(kind="pretrained", name=name), long_texts="truncate")


def test_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    config = write_text_encoder(tmp_path)
    encoder = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(encoder | {"vocab_size": 100}))
    with pytest.raises(ModelError, match=r"has \d+ entries, its encoder 100; both must come from one model"):
        build_text_tower(config, long_texts="truncate")


def test_more_tokens_than_the_encoder_has_positions_are_refused(tmp_path: Path) -> None:
    config = write_text_encoder(tmp_path).model_copy(update={"max_tokens": 65})
    with pytest.raises(ModelError, match="max_tokens 65 is more than the 64 tokens of"):
        build_text_tower(config, long_texts="truncate")
