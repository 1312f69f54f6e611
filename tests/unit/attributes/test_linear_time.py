"""Reading a text takes time in proportion to its length, however hostile it is."""

import time

import numpy as np

from fcaps_pipeline.attributes.flipping import flip_attribute
from fcaps_pipeline.attributes.reading import read_attributes
from tests.hostile_texts import hostile_texts

_CPU_S = 2.5
"""The dearest of these texts takes 0.7 s; quadratic ways take 4 to 30 s."""


def test_reading_hostile_texts() -> None:
    for text in hostile_texts(10_000):
        begun_s = time.process_time()
        read_attributes(text)
        assert time.process_time() - begun_s < _CPU_S, repr(text[:20])


def test_flipping_hostile_texts() -> None:
    for text in hostile_texts(3_000):
        begun_s = time.process_time()
        flip_attribute(text, np.random.default_rng(0))
        assert time.process_time() - begun_s < _CPU_S, repr(text[:20])
