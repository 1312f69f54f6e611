"""Lets a request on a CPU keep its seed where vLLM splits its prompt between two steps. Loaded by vLLM in its worker.

What a step draws for a prompt that it has not read to the end is thrown away, and the request's generator is set
back by an offset that only generators of CUDA have: on a CPU the whole engine dies of it (vLLM 0.32,
`GPUModelRunner._bookkeeping_sync`), as soon as many long clips come together. Importing this module gives the
worker generators that can be set back; `SeededWorker` is what vLLM imports it for. A request that vLLM preempted
for lack of KV cache draws from its start again: from its seed, but other tokens than undisturbed.
"""

import torch


class RewindingGenerator(torch.Generator):
    """A generator that goes back to its seed when it is set back: prompts are split before anything is kept."""

    def get_offset(self) -> int:
        """A place that means nothing: there is only the way back to the start."""
        return 0

    def set_offset(self, offset: int) -> torch.Generator:
        """Starts again from the seed."""
        return self.manual_seed(self.initial_seed())


class SeededWorker:
    """Adds nothing to the worker; see the module."""


torch.Generator = RewindingGenerator  # type: ignore[misc]
