"""Exponential moving average of the weights: smoother than the last ones, and what is evaluated.

Enters: a model after each step. Leaves: averages, lent to the model for an evaluation or kept in a
checkpoint.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fcaps_pipeline.errors import ModelError

_NUM_UPDATES = "num_updates"
_PREFIX = "average."


class Ema:
    """Bias-corrected average of all weights and buffers of a model.

    After update t the average is m_t / (1 - d^t) with m_t = d m_(t-1) + (1 - d) w_t and m_0 = 0, so
    that the first steps do not hang on the random start. It is kept in corrected form, which is the
    same: a_t = a_(t-1) + (w_t - a_(t-1)) (1 - d) / (1 - d^t). Half precision is averaged in float32;
    integer buffers are copied.

    Source: Kingma and Ba, arXiv 1412.6980, section 3.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        """Starts without updates.

        Args:
            model: the bare model, outside DDP and torch.compile, whose names stay the same.
            decay: d, from 0 (the last weights) to below 1.
        """
        self._decay = decay
        self._num_updates = 0
        self._averages = {name: _wide(tensor).clone() for name, tensor in _tensors(model)}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes in the weights after a step."""
        self._num_updates += 1
        weight = (1 - self._decay) / (1 - self._decay**self._num_updates)
        for name, tensor in _tensors(model):
            average = self._averages[name]
            if average.is_floating_point():
                average.lerp_(tensor.to(average.dtype), weight)
            else:
                average.copy_(tensor)

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again, whatever happened."""
        own = {name: tensor.clone() for name, tensor in _tensors(model)}
        _write(model, self._averages)
        try:
            yield
        finally:
            _write(model, own)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything as tensors, ready for safetensors."""
        averages = {_PREFIX + name: average for name, average in self._averages.items()}
        return {_NUM_UPDATES: torch.tensor(self._num_updates), **averages}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a checkpoint.

        Raises:
            ModelError: names or shapes are those of another model; nothing is changed.
        """
        expected = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in state.items()}
        differing = sorted(name for name, _ in expected.items() ^ found.items())
        if differing:
            name = differing[0]
            raise ModelError(
                f"averaged weights in the checkpoint: shape of {name} is {found.get(name, 'missing')}, expected "
                f"{expected.get(name, 'no such weight')}; resume with the job the checkpoint was made with"
            )
        self._num_updates = int(state[_NUM_UPDATES])
        for name, average in self._averages.items():
            average.copy_(state[_PREFIX + name])


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from ((name, parameter.detach()) for name, parameter in model.named_parameters())
    yield from model.named_buffers()


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


@torch.no_grad()
def _write(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, tensor in _tensors(model):
        tensor.copy_(values[name])
