"""A captioner is asked about many clips at once, and answers each as if it stood alone."""

import numpy as np
import pytest

from fcaps_pipeline.lab.embedded.features import Mel
from fcaps_pipeline.lab.embedded.inference import EmbeddedCaptioner
from fcaps_pipeline.lab.embedded.model_folder import new_thinker
from fcaps_pipeline.lab.embedded.requests import shipped_prompts
from fcaps_pipeline.lab.embedded.tokenizer import train_tokenizer
from tests.torch_threads import one_thread  # noqa: F401

_SENTENCES = [["The speaker pauses.", "The speaker is a man."], ["The speaker whispers."]]


@pytest.fixture(scope="module")
def captioner() -> EmbeddedCaptioner:
    prompts = shipped_prompts()
    tokenizer = train_tokenizer([prompts.fine, prompts.probe, "yes no cannot tell"] * 3, vocabulary_size=400)
    return EmbeddedCaptioner(new_thinker(tokenizer, seed=0), tokenizer, prompts)


def _mels() -> list[Mel]:
    rng = np.random.default_rng(0)
    return [rng.normal(0.0, 0.5, (length, 128)).astype(np.float16) for length in (300, 130)]


def test_every_claim_is_answered_as_if_it_was_asked_alone(captioner: EmbeddedCaptioner) -> None:
    mels = _mels()
    together = captioner.probe(mels, _SENTENCES)
    assert [len(answers) for answers in together] == [2, 1]
    for mel, sentences, answers in zip(mels, _SENTENCES, together, strict=True):
        for sentence, answer in zip(sentences, answers, strict=True):
            alone = captioner.probe([mel], [[sentence]])[0][0]
            assert answer.margin == pytest.approx(alone.margin, abs=1e-4)
            assert answer.cannot_tell == pytest.approx(alone.cannot_tell, abs=1e-4)


def test_the_answer_depends_on_the_sound(captioner: EmbeddedCaptioner) -> None:
    mels = _mels()
    one, other = captioner.probe(mels, [["The speaker pauses."]] * 2)
    assert one[0].margin != pytest.approx(other[0].margin, abs=1e-6)


def test_events_are_told_of_every_clip_in_its_order(captioner: EmbeddedCaptioner) -> None:
    mels = _mels()
    done: list[int] = []
    assert captioner.events(mels, done.append) == [captioner.events([mel])[0] for mel in mels]
    assert sum(done) == 2
