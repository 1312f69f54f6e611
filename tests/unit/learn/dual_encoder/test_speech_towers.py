from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.audio_batch import collate_audio
from fcaps_pipeline.learn.dual_encoder.config import PretrainedSpeechTowerConfig, SpeechTowerConfig
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower, build_speech_tower
from tests.unit.learn.dual_encoder.building import (
    MEL,
    make_clips,
    write_filter_bank_encoder,
    write_text_encoder,
    write_waveform_encoder,
    write_whisper,
)

pytestmark = pytest.mark.filterwarnings(
    # WavLM of transformers gives torch a boolean and a float mask together.
    "ignore:Support for mismatched key_padding_mask:UserWarning"
)

_CLIPS = make_clips(8_000, 12_345, 2_000, 16_001)

_TOWERS: dict[str, Callable[[Path], SpeechTowerConfig]] = {
    "mel": lambda folder: MEL,
    "wavlm base": lambda folder: write_waveform_encoder(folder, "WavLM", "group"),
    "wavlm large": lambda folder: write_waveform_encoder(folder, "WavLM", "layer"),
    "hubert base": lambda folder: write_waveform_encoder(folder, "Hubert", "group"),
    "hubert large": lambda folder: write_waveform_encoder(folder, "Hubert", "layer"),
    "wav2vec2 base": lambda folder: write_waveform_encoder(folder, "Wav2Vec2", "group"),
    "unispeech": lambda folder: write_waveform_encoder(folder, "UniSpeech", "layer"),
    "unispeech-sat": lambda folder: write_waveform_encoder(folder, "UniSpeechSat", "group"),
    "wav2vec2-bert": write_filter_bank_encoder,
    "wav2vec2-bert rotary": lambda folder: write_filter_bank_encoder(folder, "rotary"),
    "whisper": write_whisper,
}


@pytest.fixture(params=_TOWERS, scope="module")
def tower(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechTower:
    torch.manual_seed(0)
    return build_speech_tower(_TOWERS[request.param](tmp_path_factory.mktemp("encoder"))).eval()


@torch.inference_mode()
def test_frames_do_not_depend_on_the_padding(tower: SpeechTower) -> None:
    frames_BFD, mask_BF = tower(*collate_audio(_CLIPS))
    for row, clip_T in enumerate(_CLIPS):
        alone_BFD, alone_BF = tower(*collate_audio([clip_T]))
        assert alone_BF.all()
        assert int(mask_BF[row].sum()) == alone_BF.shape[1]
        torch.testing.assert_close(frames_BFD[row][mask_BF[row]], alone_BFD[0], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_frames_come_at_the_stated_rate(tower: SpeechTower) -> None:
    num_samples = 31_000
    _, mask_BF = tower(*collate_audio(make_clips(num_samples)))
    assert int(mask_BF.sum()) == pytest.approx(num_samples / 16_000 * tower.frame_rate_hz, abs=1.5)


@torch.inference_mode()
def test_shortest_clip_gives_one_frame(tower: SpeechTower) -> None:
    frames_BFD, mask_BF = tower(*collate_audio(make_clips(tower.min_samples, 8_000)))
    assert int(mask_BF[0].sum()) == 1
    assert frames_BFD[0, 0].isfinite().all()
    assert frames_BFD.shape[2] == tower.width


def test_every_weight_learns_also_with_checkpointing(tower: SpeechTower) -> None:
    tower.train()
    gradients = []
    for switch_on in (False, True):
        if switch_on:
            tower.gradient_checkpointing_enable()
        torch.manual_seed(1)
        frames_BFD, mask_BF = tower(*collate_audio(_CLIPS))
        tower.zero_grad()
        frames_BFD[mask_BF].square().mean().backward()
        learnt = {name: one.grad.clone() for name, one in tower.named_parameters() if one.grad is not None}
        assert learnt.keys() == {name for name, one in tower.named_parameters() if one.requires_grad}
        gradients.append(learnt)
    tower.eval()
    for name, plain in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], plain, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(("kind", "norm"), [("WavLM", "layer"), ("Hubert", "group"), ("UniSpeechSat", "layer")])
@torch.inference_mode()
def test_waveform_tower_equals_transformers_on_one_clip(kind: str, norm: str, tmp_path: Path) -> None:
    tower = build_speech_tower(write_waveform_encoder(tmp_path, kind, norm)).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    expected_BFD = model(**extractor(_CLIPS[0], sampling_rate=16_000, return_tensors="pt")).last_hidden_state
    frames_BFD, _ = tower(*collate_audio(_CLIPS[:1]))
    torch.testing.assert_close(frames_BFD, expected_BFD, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_whisper_tower_equals_transformers(tmp_path: Path) -> None:
    tower = build_speech_tower(write_whisper(tmp_path)).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    encoder = transformers.WhisperModel.from_pretrained(tmp_path).get_encoder().eval()
    made = extractor(_CLIPS[0], sampling_rate=16_000, max_length=32_000, return_tensors="pt")
    frames_BFD, _ = tower(*collate_audio(_CLIPS[:1]))
    expected_BFD = encoder(made["input_features"]).last_hidden_state[:, : frames_BFD.shape[1]]
    torch.testing.assert_close(frames_BFD, expected_BFD, atol=1e-4, rtol=1e-4)
    assert tower.max_samples == 32_000
    assert not any("decoder" in name for name, _ in tower.named_parameters())


def test_missing_folder_is_named(tmp_path: Path) -> None:
    config = PretrainedSpeechTowerConfig(kind="pretrained", name=str(tmp_path / "wavlm"))
    with pytest.raises(ModelError, match=r"wavlm does not exist; give a folder with config.json"):
        build_speech_tower(config)


def test_text_encoder_is_no_speech_tower(tmp_path: Path) -> None:
    name = write_text_encoder(tmp_path).name
    with pytest.raises(ModelError, match=r"is of kind roberta, not a speech encoder .* hubert, .* wavlm, whisper"):
        build_speech_tower(PretrainedSpeechTowerConfig(kind="pretrained", name=name))


def test_other_sampling_rates_are_refused(tmp_path: Path) -> None:
    config = write_waveform_encoder(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="hears 8000 Hz, expected 16000 Hz"):
        build_speech_tower(config)


def test_norms_over_padding_are_refused(tmp_path: Path) -> None:
    config = write_waveform_encoder(tmp_path, "Hubert")
    encoder = transformers.HubertConfig.from_pretrained(tmp_path)
    encoder.conv_pos_batch_norm = True
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="normalises over padding"):
        build_speech_tower(config)
