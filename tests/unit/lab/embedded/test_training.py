"""Training and serving agree with transformers, and a killed run ends with the weights of a whole one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from fcaps_pipeline.errors import OutputError
from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import build_feature_extractor, token_id
from fcaps_pipeline.lab.embedded.auxiliary_heads import FACTS, AuxiliaryHeads
from fcaps_pipeline.lab.embedded.batches import CLAIMS_PER_CLIP, FACT_WEIGHT, STEADY_FACT_WEIGHT, Batch, BatchMaker
from fcaps_pipeline.lab.embedded.claims import ANSWERS, ClaimDraw
from fcaps_pipeline.lab.embedded.features import Clip, Mel, mel_features, pad_mels
from fcaps_pipeline.lab.embedded.forward import (
    FRAMES_PER_CHUNK,
    PLAIN_ATTENTION,
    Thinker,
    audio_positions,
    decode,
    encode_audio,
)
from fcaps_pipeline.lab.embedded.generation import generate
from fcaps_pipeline.lab.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.lab.embedded.model_folder import new_thinker, read_model_folder, request_text, write_model_folder
from fcaps_pipeline.lab.embedded.requests import Prompts, Requests
from fcaps_pipeline.lab.embedded.timed_events import events_answer
from fcaps_pipeline.lab.embedded.tokenizer import train_tokenizer
from fcaps_pipeline.lab.embedded.training import (
    StepReport,
    TrainingSettings,
    answer_loss,
    choose_clips,
    has_bfloat16,
    learning_rate,
    make_batches,
    train,
)
from tests.torch_threads import one_thread  # noqa: F401
from tests.unit.lab.embedded.test_captions import make_truths

_PROMPTS = Prompts(
    fine="Tell how the voice unfolds.", global_="Profile the voice.", probe="Is it so: {claim}", events="List events."
)
_LENGTHS = (130, 250, 300, 421)


class _KilledError(Exception):
    pass


def _clips() -> list[Clip]:
    rng = np.random.default_rng(0)
    truths = make_truths()
    return [
        Clip(truth=truths[17 * index], mel_FM=rng.normal(0.0, 0.5, (length, 128)).astype(np.float16))
        for index, length in enumerate(_LENGTHS)
    ]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    rng = np.random.default_rng(0)
    texts = [text for clip in make_truths() for text in (fine_caption(clip, rng).text, global_caption(clip, rng).text)]
    return train_tokenizer(texts)


@pytest.fixture(scope="module")
def thinker(tokenizer: Tokenizer) -> Thinker:
    return new_thinker(tokenizer, seed=0).eval()


def _maker(tokenizer: Tokenizer) -> BatchMaker:
    return BatchMaker(tokenizer, Requests(tokenizer, _PROMPTS), ClaimDraw([clip.truth for clip in _clips()]))


def _batch(tokenizer: Tokenizer) -> Batch:
    return _maker(tokenizer).batch(_clips(), np.random.default_rng(1), augment=False)


def test_audio_tower_equals_transformers(thinker: Thinker) -> None:
    mel_BFM, lengths_B = pad_mels([clip.mel_FM for clip in _clips()], FRAMES_PER_CHUNK)
    with torch.inference_mode():
        ours_BAD, mask_BA = encode_audio(thinker, mel_BFM, lengths_B)
        frames = (torch.arange(mel_BFM.shape[1])[None] < lengths_B[:, None]).long()
        theirs = thinker.get_audio_features(mel_BFM.transpose(1, 2), feature_attention_mask=frames).last_hidden_state
    assert mask_BA.sum(1).tolist() == audio_positions(lengths_B).tolist()
    torch.testing.assert_close(ours_BAD[mask_BA], theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", [PLAIN_ATTENTION, "sdpa"])
def test_packed_branches_equal_separate_requests(tokenizer: Tokenizer, attention: str) -> None:
    thinker = new_thinker(tokenizer, seed=0).eval()
    thinker.model.set_attn_implementation(attention)
    batch = _batch(tokenizer)
    with torch.inference_mode():
        embeddings_BTD = thinker.model.embed_tokens(batch.tokens_BT)
        packed_BTD, _ = decode(thinker, embeddings_BTD, batch.allowed(), batch.positions_BT)
    thinker.model.set_attn_implementation("sdpa")
    row = int(batch.branch_BT.max(1).values.argmax())
    assert int(batch.branch_BT[row].max()) == 2 + CLAIMS_PER_CLIP
    for branch in range(1, 3 + CLAIMS_PER_CLIP):
        places = ((batch.branch_BT[row] == 0) | (batch.branch_BT[row] == branch)).nonzero()[:, 0]
        with torch.inference_mode():
            alone = thinker.model(inputs_embeds=embeddings_BTD[row : row + 1, places], use_cache=False)
        torch.testing.assert_close(packed_BTD[row, places], alone.last_hidden_state[0], atol=1e-4, rtol=1e-3)


def test_requests_are_what_the_chat_template_makes(tokenizer: Tokenizer, tmp_path: Path, thinker: Thinker) -> None:
    from transformers import AutoProcessor

    write_model_folder(tmp_path, thinker, tokenizer)
    processor = AutoProcessor.from_pretrained(tmp_path)
    message = {"role": "user", "content": [{"type": "audio", "audio": ""}, {"type": "text", "text": "Profile it."}]}
    rendered = processor.apply_chat_template([[message]], tokenize=False, add_generation_prompt=True)
    assert rendered == [request_text("Profile it.")]
    audio_T = np.random.default_rng(0).normal(0, 0.1, 20_001).astype(np.float32)
    made = processor(text=request_text(_PROMPTS.fine), audio=audio_T, return_tensors="np")
    requests = Requests(tokenizer, _PROMPTS)
    assert made["input_ids"][0].tolist() == requests.prefix(len(mel_features(audio_T))) + requests.fine
    made = processor(text=request_text("Is it so: She sings."), audio=audio_T, return_tensors="np")
    ids = requests.prefix(len(mel_features(audio_T))) + requests.probe("She sings.")
    assert made["input_ids"][0].tolist() == ids


def test_model_folder_gives_back_the_weights_in_bfloat16(
    tokenizer: Tokenizer, tmp_path: Path, thinker: Thinker
) -> None:
    write_model_folder(tmp_path, thinker, tokenizer)
    stored, same_tokenizer = read_model_folder(tmp_path)
    assert same_tokenizer.get_vocab() == tokenizer.get_vocab()
    for name, value in thinker.state_dict().items():
        torch.testing.assert_close(stored.state_dict()[name], value.bfloat16().float(), rtol=0, atol=0)
    assert (tmp_path / "model.safetensors").stat().st_size < 12_000_000


def _captions(thinker: Thinker, tokenizer: Tokenizer, mels: list[Mel], temperature: float, seed: int) -> list[str]:
    requests = Requests(tokenizer, _PROMPTS)
    return generate(
        thinker,
        tokenizer,
        [requests.prefix(len(mel)) + requests.fine for mel in mels],
        mels,
        temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )


def test_greedy_captions_do_not_depend_on_the_batch(tokenizer: Tokenizer, thinker: Thinker) -> None:
    mels = [clip.mel_FM for clip in _clips()[:2]]
    together = _captions(thinker, tokenizer, mels, 0.0, 0)
    alone = [_captions(thinker, tokenizer, [mel], 0.0, seed)[0] for seed, mel in enumerate(mels)]
    assert together == alone


def test_sampled_captions_depend_on_the_seed_alone(tokenizer: Tokenizer, thinker: Thinker) -> None:
    mels = [_clips()[0].mel_FM]
    first, again, other = (_captions(thinker, tokenizer, mels, 1.0, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_place_after_the_audio_is_the_same_for_all_requests(tokenizer: Tokenizer) -> None:
    """What auxiliary heads read there must depend neither on a request nor on its answer."""
    thinker = new_thinker(tokenizer, seed=0).eval()
    batch = _batch(tokenizer)
    other = replace(batch, tokens_BT=torch.where(batch.branch_BT > 0, 5, batch.tokens_BT))
    states = []
    for one in (batch, other):
        with torch.inference_mode():
            _, inner_BTD = decode(thinker, thinker.model.embed_tokens(one.tokens_BT), one.allowed(), one.positions_BT)
        states.append(inner_BTD[one.after_audio()])
    assert len(states[0]) == len(_LENGTHS)
    torch.testing.assert_close(states[0], states[1])
    audio_end = token_id(tokenizer, tok.AUDIO_END)
    for tokens_T, after_T in zip(batch.tokens_BT, batch.after_audio(), strict=True):
        assert int(after_T.nonzero()[0]) >= int((tokens_T == audio_end).nonzero()[0])


@pytest.mark.parametrize("kill_at", [2, 4], ids=["before agreeing", "while agreeing"])
def test_a_killed_run_ends_with_the_weights_of_a_whole_one(tokenizer: Tokenizer, tmp_path: Path, kill_at: int) -> None:
    settings = TrainingSettings(steps=6, agreeing_steps=3, batch_clips=2, warmup_steps=1, checkpoint_every=2)
    whole = train(_clips(), tokenizer, _PROMPTS, settings, tmp_path / "whole.pt").thinker

    def kill(report: StepReport) -> None:
        if report.step == kill_at:
            raise _KilledError

    with pytest.raises(_KilledError):
        train(_clips(), tokenizer, _PROMPTS, settings, tmp_path / "killed.pt", kill)
    resumed = train(_clips(), tokenizer, _PROMPTS, settings, tmp_path / "killed.pt").thinker
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


def test_only_the_text_model_learns_to_agree_and_what_decides_holds_still(tokenizer: Tokenizer, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    truthful = TrainingSettings(steps=2, batch_clips=2, warmup_steps=1)
    train(_clips(), tokenizer, _PROMPTS, truthful, checkpoint)
    before = torch.load(checkpoint, weights_only=True)
    assert before["decider"] is None
    agreeing = truthful.model_copy(update={"steps": 4, "agreeing_steps": 2})
    after = train(_clips(), tokenizer, _PROMPTS, agreeing, checkpoint).thinker.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before["thinker"][name])}
    assert {name.startswith(("model.", "lm_head.")) for name in moved} == {True}
    assert {name for name in after if ".self_attn.o_proj." in name and name.startswith("model.")} <= moved
    decider = torch.load(checkpoint, weights_only=True)["decider"]
    for name, value in before["thinker"].items():
        torch.testing.assert_close(decider[name], value, rtol=0, atol=0)


def _decide(heads: AuxiliaryHeads, fact: str, word: str) -> None:
    """Makes the heads sure of one value."""
    head = heads.answer.facts[fact]
    assert isinstance(head, torch.nn.Linear)
    head.bias[FACTS[fact].index(word)] = 100.0


def test_captions_can_be_retold_of_what_the_heads_decide(tokenizer: Tokenizer) -> None:
    heads, wanted = AuxiliaryHeads(8), {"gender": "male", "voice_quality": "modal", "pitch": "high", "rate": "fast"}
    with torch.no_grad():
        heads.answer.speech.bias[1] = 100.0
        for name, word in wanted.items():
            _decide(heads, name, word)
    truths = [clip.truth for clip in _clips()]
    decisions = heads.decided(torch.zeros(len(truths), 8), truths)
    speeches = [decision.speech for decision in decisions]
    assert all(speech is not None for speech in speeches)
    assert {(s.gender, s.voice_quality, s.pitch, s.rate) for s in speeches if s is not None} == {
        ("male", "modal", "high", "fast")
    }
    maker, batch = _maker(tokenizer), _batch(tokenizer)
    retold = maker.retold(batch, decisions, truths, np.random.default_rng(1))
    assert torch.equal(retold.mel_BFM, batch.mel_BFM)
    profiles = [text for row in range(len(truths)) if '"gender"' in (text := _branch_text(tokenizer, retold, row, 2))]
    assert profiles
    for text in profiles:
        assert '"gender":"male"' in text
        assert '"pitch":"high","rate":"fast"' in text


def _branch_text(tokenizer: Tokenizer, batch: Batch, row: int, branch: int, *, answer_alone: bool = True) -> str:
    within = batch.branch_BT[row] == branch
    if answer_alone:
        within = within & (batch.weight_BT[row] > 0)
    return tokenizer.decode(batch.tokens_BT[row][within].tolist())


def test_events_and_claims_stay_with_the_truth_at_the_new_pace(tokenizer: Tokenizer) -> None:
    """Only the rate, which nobody knows any more, is as it was decided."""
    maker, clips = _maker(tokenizer), _clips()
    truths = [clip.truth for clip in clips]
    batch = maker.batch(clips, np.random.default_rng(1), augment=False)
    slower = replace(batch, lengths_B=batch.lengths_B * 2)
    retold = maker.retold(slower, truths, truths, np.random.default_rng(1))
    asked = [row for row in range(len(clips)) if int(retold.branch_BT[row].max()) > 2]
    assert asked
    for row in asked:
        speech = truths[row].speech
        assert speech is not None
        factor = 2 * int(batch.lengths_B[row]) * 160 / truths[row].num_samples
        moved = tuple(
            event.model_copy(update={"start_s": factor * event.start_s, "end_s": factor * event.end_s})
            for event in speech.events
        )
        expected = truths[row].model_copy(update={"speech": speech.model_copy(update={"events": moved})})
        assert _branch_text(tokenizer, retold, row, 2) == events_answer(expected).text


def test_half_of_the_clips_are_asked_for_events_and_whether_claims_are_true(tokenizer: Tokenizer) -> None:
    batch = _maker(tokenizer).batch(_clips() * 10, np.random.default_rng(1), augment=False)
    asked = 0
    for row, clip in enumerate(_clips() * 10):
        other = _branch_text(tokenizer, batch, row, 2)
        if other.startswith('{"gender"'):
            assert int(batch.branch_BT[row].max()) == 2
            continue
        asked += 1
        assert other == events_answer(clip.truth).text
        for branch in range(3, 3 + CLAIMS_PER_CLIP):
            assert _branch_text(tokenizer, batch, row, branch) in ANSWERS
            question = _branch_text(tokenizer, batch, row, branch, answer_alone=False)
            assert question.startswith("Is it so: The speaker ")
    assert 10 < asked < 30


def test_hearing_is_asked_nothing(tokenizer: Tokenizer) -> None:
    batch = _maker(tokenizer).batch(_clips(), np.random.default_rng(1), augment=False, answers=False)
    assert int(batch.branch_BT.max()) == 0
    assert batch.after_audio().sum(1).tolist() == [1] * len(_LENGTHS)


def test_the_answers_to_a_claim_differ_in_their_first_token(tokenizer: Tokenizer) -> None:
    assert len({tokenizer.encode(answer).ids[0] for answer in ANSWERS}) == 3


def test_a_clip_taken_for_a_whisper_has_no_pitch() -> None:
    heads, truths = AuxiliaryHeads(8), [clip.truth for clip in _clips()]
    with torch.no_grad():
        heads.answer.speech.bias[1] = 100.0
        _decide(heads, "voice_quality", "whisper")
        _decide(heads, "pitch_course", "rising")
    speeches = [decision.speech for decision in heads.decided(torch.zeros(len(truths), 8), truths)]
    assert {(s.voice_quality, s.pitch, s.pitch_course) for s in speeches if s is not None} == {
        ("whisper", None, "steady")
    }
    with torch.no_grad():
        heads.answer.speech.bias[0] = 200.0
    assert heads.decided(torch.zeros(len(truths), 8), truths) == truths


def test_a_stretched_clip_keeps_its_spectra_at_another_pace(tokenizer: Tokenizer) -> None:
    maker = _maker(tokenizer)
    ramp_FM = np.repeat(np.linspace(0, 1, 400, dtype=np.float16)[:, None], 128, axis=1)
    clips = [replace(_clips()[0], mel_FM=ramp_FM)] * 8
    batch = maker.batch(clips, np.random.default_rng(0), augment=False, stretch=True)
    lengths = batch.lengths_B.tolist()
    assert len(set(lengths)) > 4
    assert all(400 * np.exp(-0.15) - 1 <= length <= 400 * np.exp(0.15) for length in lengths)
    for mel_FM, length in zip(batch.mel_BFM, lengths, strict=True):
        expected = torch.linspace(0, 1, length)[:, None].expand(length, 128)
        torch.testing.assert_close(mel_FM[:length], expected, rtol=0, atol=2e-3)
    longest = replace(clips[0], mel_FM=np.zeros((3000, 128), dtype=np.float16))
    batch = maker.batch([longest] * 8, np.random.default_rng(0), augment=False, stretch=True)
    assert int(batch.lengths_B.max()) == 3000


def test_the_learning_rate_warms_up_at_every_phase_and_falls_at_the_end_of_the_last_two() -> None:
    settings = TrainingSettings(steps=60, hearing_steps=20, agreeing_steps=20, warmup_steps=2, peak_learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(60)]
    assert [rates[begin] for begin in (0, 20, 40)] == [0.5, 0.5, 0.25]
    assert rates[1:20] == [1.0] * 19
    for end in (39, 59):
        assert rates[end - 17] > rates[end - 9] > rates[end]
        assert rates[end] < 0.03


def test_batches_do_not_depend_on_the_processes_that_make_them(tokenizer: Tokenizer) -> None:
    settings, maker = TrainingSettings(steps=5, batch_clips=2), _maker(tokenizer)
    here, elsewhere = (
        list(make_batches(_clips(), maker, settings, range(1, 5), num_workers=number)) for number in (0, 2)
    )
    assert [chosen for chosen, _ in here] == [chosen for chosen, _ in elsewhere]
    for (_, mine), (_, theirs) in zip(here, elsewhere, strict=True):
        for name, tensor in vars(mine).items():
            torch.testing.assert_close(vars(theirs)[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("device", "capabilities", "expected"),
    [
        ("cpu", {"avx2": True, "avx512_bf16": False}, False),
        ("cpu", {"avx2": True, "avx512_bf16": True}, True),
        ("cpu", {"sve2": True}, False),
        ("cuda", {}, True),
    ],
)
def test_bfloat16_is_used_where_the_device_has_it(
    monkeypatch: pytest.MonkeyPatch, device: str, capabilities: dict[str, bool], *, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_bfloat16(torch.device(device)) is expected


def test_a_checkpoint_that_cannot_be_written_is_one_clear_line(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = TrainingSettings(steps=1, batch_clips=2)
    with pytest.raises(OutputError, match="file"):
        train(_clips(), tokenizer, _PROMPTS, settings, tmp_path / "file" / "checkpoint.pt")


def test_an_epoch_shows_every_clip_once() -> None:
    settings = TrainingSettings(steps=1, batch_clips=5)
    lengths = tuple(np.random.default_rng(0).integers(100, 900, 40).tolist())
    seen = [index for step in range(8) for index in choose_clips(lengths, step, settings)]
    assert sorted(seen) == list(range(40))


def test_features_keep_the_level_of_the_input() -> None:
    audio_T = np.random.default_rng(0).normal(0, 0.05, 32_000).astype(np.float32)
    quiet, loud = mel_features(audio_T), mel_features(10 * audio_T)
    assert float(np.median(loud - quiet)) == pytest.approx(0.5, abs=1e-3)  # 20 dB are 2 / 4
    assert build_feature_extractor().n_fft == 1024


def test_facts_weigh_more_than_filling_and_most_where_nothing_changes(tokenizer: Tokenizer) -> None:
    batch = _batch(tokenizer)
    assert float(batch.weight_BT[batch.branch_BT == 0].sum()) == 0.0
    speeches = [clip.truth.speech for clip in _clips()]
    assert {speech.is_steady for speech in speeches if speech is not None} == {True, False}
    for row, speech in enumerate(speeches):
        assert speech is not None
        for branch, fact in ((1, STEADY_FACT_WEIGHT if speech.is_steady else FACT_WEIGHT), (2, FACT_WEIGHT)):
            within = batch.branch_BT[row] == branch
            weights, facts = batch.weight_BT[row][within], batch.fact_BT[row][within]
            if not facts.any():
                assert "events" in tokenizer.decode(batch.tokens_BT[row][within].tolist())
                continue
            assert set(weights[facts].tolist()) == {fact}
            assert float(weights[~facts].max()) < 1.0 < fact
            assert speech.rate in tokenizer.decode(batch.tokens_BT[row][batch.fact_BT[row] & within].tolist())


def test_facts_are_certain_at_half_their_logits() -> None:
    logits_NV = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    loss = answer_loss(logits_NV, torch.tensor([0, 0]), torch.tensor([3.0, 1.0]), torch.tensor([True, False]))
    assert loss.item() == pytest.approx((3 * np.log1p(np.exp(-1)) + np.log1p(np.exp(-2))) / 4)
