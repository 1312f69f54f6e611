"""No two draws of a run share their random numbers."""

import itertools

from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence


def test_all_streams_and_places_differ() -> None:
    small = range(3)
    states = {
        tuple(seed_sequence(seed, stream, epoch=epoch, step=step, row=row, number=number).generate_state(4).tolist())
        for seed, stream, epoch, step, row, number in itertools.product(small, Stream, small, small, small, small)
    }
    assert len(states) == len(Stream) * 3**5


def test_the_same_place_draws_the_same() -> None:
    first, again = (seed_sequence(7, Stream.CROP, epoch=1, row=2).generate_state(2).tolist() for _ in range(2))
    assert first == again
