"""A profile in other words says the same."""

import numpy as np

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.learn.data.wording import worded

_PROFILE = {"gender": "female", "age_group": "elderly", "pitch": "low", "rate": "slow", "volume": "soft"}


def test_every_wording_says_the_facts_of_the_profile() -> None:
    texts = {worded(_PROFILE, np.random.default_rng(seed)) for seed in range(300)}
    assert len(texts) > 200
    for text in texts:
        assert text is not None
        read = read_attributes(text)
        assert (read.gender, read.pitch, read.rate, read.volume) == ("female", "low", "slow", "soft"), text


def test_free_words_stand_as_they_are_and_articles_fit() -> None:
    profile = {"gender": None, "age_group": "child", "timbre": "airy, light", "emotion": "amused", "accent": "Irish"}
    text = worded(profile, np.random.default_rng(3))
    assert text is not None
    assert text.startswith("A child ")
    assert all(word in text for word in ("airy, light", "amused", "Irish accent"))
    assert "an Irish accent" in text
    assert " a a" not in text


def test_too_little_is_no_caption() -> None:
    assert worded({"gender": "male", "pitch": "low", "rate": None}, np.random.default_rng(0)) is None
