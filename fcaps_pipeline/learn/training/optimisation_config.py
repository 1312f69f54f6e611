"""The section `optimisation` of a training job: how long, how fast, which weights, and in how much memory.

One model per section; every default stands here and nowhere else. Imports no torch.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fcaps_pipeline.jobs.job_file import Section

_Share = Annotated[float, Field(ge=0, le=1)]
_Beta = Annotated[float, Field(ge=0, lt=1)]


class Constant(Section):
    """The highest rate to the end."""

    kind: Literal["constant"]


class Cosine(Section):
    """Half a cosine from the highest rate to the last step."""

    kind: Literal["cosine"] = "cosine"
    final_share: _Share = 0.0
    """Rate of the last step as a share of the highest."""


class Wsd(Section):
    """Warm-up, stable, decay: the highest rate, then a straight fall in the last steps."""

    kind: Literal["wsd"]
    decay_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of all steps in which it falls."""
    final_share: _Share = 0.0
    """Rate of the last step as a share of the highest."""


class Eden(Section):
    """Falls slowly with steps and with epochs and knows no end, as in icefall and CLSP."""

    kind: Literal["eden"]
    steps: Annotated[float, Field(gt=0)] = 100_000.0
    """Steps after which the fall is felt. Source: recipe code of CLSP."""
    epochs: Annotated[float, Field(gt=0)] = 100.0
    """Epochs after which the fall is felt. Source: recipe code of CLSP."""


Schedule = Constant | Cosine | Wsd | Eden


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    return pattern


class WeightGroup(Section):
    """Weights that learn otherwise than the rest."""

    match: Annotated[str, Field(min_length=1), AfterValidator(_checked_pattern)]
    """Regular expression that the name of a weight begins with, such as `speech_tower|text_tower`; a weight belongs to
    the first group that it fits."""
    rate: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Of matrices; None is that of the job."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Further factor on the rate for each layer between a weight and the top of its tower; what is in no layer counts
    as below the first."""
    frozen_steps: Annotated[int, Field(ge=0)] | None = 0
    """Steps at the beginning in which these weights stay as they are; None is all steps."""


class Optimisation(Section):
    """How long and how fast."""

    steps: Annotated[int, Field(ge=1)] | None = None
    """Batches to train on; give steps or epochs."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the train split."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """The highest."""
    schedule: Annotated[Schedule, Field(discriminator="kind")] = Cosine()
    """How the rate goes on after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps in which the rate rises linearly."""
    warmup_start: _Share = 0.0
    """Share of the rate from which it rises."""
    groups: tuple[WeightGroup, ...] = ()
    """Weights with a rate, a decay or a beginning of their own; none of them is all weights alike."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of matrices; vectors and scales do not decay."""
    betas: tuple[_Beta, _Beta] = (0.9, 0.98)
    """Of AdamW. Source: CLIP, arXiv 2103.00020, table 18."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-6
    """Of AdamW. Source: CLIP, arXiv 2103.00020, table 18."""
    clip_gradient: Annotated[float, Field(gt=0)] | None = 1.0
    """Greatest norm of the gradient; None leaves it."""
    chunk_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows of a rank that are backpropagated together; a batch of more is cached. None takes all at once."""
    bf16: bool = False
    """Compute in bfloat16; weights stay in float32."""
    activation_checkpointing: bool = False
    """Compute activations again instead of keeping them."""
    shard: bool = False
    """Divide weights, gradients and moments among the ranks (FSDP2), where a copy each (DDP) does not fit."""
    compile: bool = False
    """Compile both towers."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Average the weights with this decay; the average is what is evaluated and released."""

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        if self.steps is not None and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be below steps {self.steps}")
        if self.shard and any(group.frozen_steps != 0 for group in self.groups):
            raise ValueError("shard divides weights that learn from the first step on; leave it or frozen_steps out")
        return self
