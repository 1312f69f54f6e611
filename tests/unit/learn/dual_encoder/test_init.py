import pytest

import fcaps_pipeline.learn.dual_encoder as package


@pytest.mark.parametrize("name", package.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(package, name).__name__ == name


def test_other_names_are_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'DualDecoder'"):
        package.DualDecoder  # noqa: B018
