import pickle
from pathlib import Path

import pytest
import torch

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.dual_encoder.config import LongTexts
from fcaps_pipeline.learn.dual_encoder.pretrained import Origin
from fcaps_pipeline.learn.dual_encoder.tokenization import (
    BpeTokenizer,
    CaptionTokenizer,
    PretrainedTokenizer,
    read_bpe,
    train_bpe,
)
from tests.unit.learn.dual_encoder.building import TEXTS, write_text_encoder

_LONG = "slowly " * 30


@pytest.fixture(params=["small", "pretrained"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> CaptionTokenizer:
    return _build(request.param, tmp_path, "truncate")


def _build(kind: str, folder: Path, long_texts: LongTexts) -> CaptionTokenizer:
    if kind == "small":
        return BpeTokenizer(train_bpe(TEXTS * 2, 400), max_tokens=12, long_texts=long_texts)
    write_text_encoder(folder)
    return PretrainedTokenizer(Origin(str(folder)).read_tokenizer(), max_tokens=12, long_texts=long_texts)


def test_texts_are_padded_to_the_longest(tokenizer: CaptionTokenizer) -> None:
    tokens = tokenizer(["a high voice.", "a"])
    assert tokens.num_truncated == 0
    assert tokens.mask_NL[0].all()
    count = int(tokens.mask_NL[1].sum())
    assert 0 < count < tokens.ids_NL.shape[1]
    assert (tokens.ids_NL[1, count:] == tokenizer.padding_id).all()
    assert tokenizer(["a"]).ids_NL[0].tolist() == tokens.ids_NL[1, :count].tolist()


def test_long_texts_are_cut_and_counted(tokenizer: CaptionTokenizer) -> None:
    tokens = tokenizer([_LONG, "a", _LONG])
    assert tokens.num_truncated == 2
    assert tokens.ids_NL.shape == (3, 12)


def test_text_that_just_fits_is_not_counted(tokenizer: CaptionTokenizer) -> None:
    lengths = {}
    for number in range(1, 20):
        text = "a " * number
        lengths[len(tokenizer.encode([text], 100)[0])] = text
    assert tokenizer([lengths[12]]).num_truncated == 0
    assert tokenizer([lengths[13]]).num_truncated == 1


def test_cut_text_of_a_pretrained_tokenizer_keeps_its_last_special_token(tmp_path: Path) -> None:
    tokenizer = _build("pretrained", tmp_path, "truncate")
    assert tokenizer([_LONG]).ids_NL[0, -1] == 1


@pytest.mark.parametrize("kind", ["small", "pretrained"])
def test_long_texts_are_refused_where_the_job_says_so(kind: str, tmp_path: Path) -> None:
    tokenizer = _build(kind, tmp_path, "refuse")
    assert tokenizer(["a"]).num_truncated == 0
    with pytest.raises(UsageError, match=r"text 1 is longer than the 12 tokens .*'slowly slowly"):
        tokenizer(["a", _LONG])


@pytest.mark.parametrize("texts", [[], "a voice"])
def test_something_else_than_texts_is_refused(tokenizer: CaptionTokenizer, texts: list[str] | str) -> None:
    with pytest.raises(UsageError, match="expected a list of at least one text"):
        tokenizer(texts)


def test_empty_text_is_named(tokenizer: CaptionTokenizer) -> None:
    with pytest.raises(UsageError, match="text 1 of 2 is empty"):
        tokenizer(["a", " \n"])


def test_loader_workers_can_have_it(tokenizer: CaptionTokenizer) -> None:
    copy: CaptionTokenizer = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    assert torch.equal(copy(TEXTS).ids_NL, tokenizer(TEXTS).ids_NL)


def test_case_does_not_matter_to_the_small_tokenizer(tmp_path: Path) -> None:
    tokenizer = _build("small", tmp_path, "truncate")
    assert torch.equal(tokenizer(["A HIGH voice."]).ids_NL, tokenizer(["a high voice."]).ids_NL)


def test_any_text_has_tokens(tmp_path: Path) -> None:
    tokenizer = _build("small", tmp_path, "truncate")
    assert int(tokenizer(["声"]).mask_NL.sum()) > 1


def test_small_tokenizer_is_learnt_alike_and_read_back(tmp_path: Path) -> None:
    tokenizer = BpeTokenizer(train_bpe(TEXTS * 2, 400), max_tokens=12, long_texts="truncate")
    tokenizer.save(tmp_path)
    again = BpeTokenizer(read_bpe(tmp_path), max_tokens=12, long_texts="truncate")
    relearnt = BpeTokenizer(train_bpe(TEXTS * 2, 400), max_tokens=12, long_texts="truncate")
    assert torch.equal(tokenizer(TEXTS).ids_NL, again(TEXTS).ids_NL)
    assert torch.equal(tokenizer(TEXTS).ids_NL, relearnt(TEXTS).ids_NL)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "1.0"}', '{"model": {"type": "BPE"}}'])
def test_damaged_tokenizer_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer.json cannot be read \(.+\); copy the model folder again"):
        read_bpe(tmp_path)


def test_missing_tokenizer_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer.json does not exist; the model folder is not whole"):
        read_bpe(tmp_path)
