"""Engines that answer from earlier runs: one in front of a real engine, one with nothing behind it.

Enters: an index of earlier answers. Leaves: the answers it holds; what it does not hold goes to the engine behind, or
is a `NotAskedError`. Which model is meant is told before anything starts, by the earlier runs or the model's folder.
"""

from collections.abc import Iterable

from fcaps_pipeline.annotate.captioning.earlier_answers import EarlierAnswers
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.model_folder import folder_revision, model_folder
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import JobError, NotAskedError
from fcaps_pipeline.jobs.annotate_job import CascadeEngineConfig, EndpointEngineConfig, EngineConfig
from fcaps_pipeline.jobs.engine_args import deciding_json
from fcaps_pipeline.records.annotations import Completion


class ReusingEngine:
    """Asks the engine behind only what no earlier run was answered; see `Engine`."""

    def __init__(self, engine: Engine, answers: EarlierAnswers) -> None:
        self._engine = engine
        self._answers = answers

    async def start(self) -> EngineIdentity:
        """Starts the engine behind."""
        return await self._engine.start()

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """The earlier answer, or a new one."""
        found = self._answers.find(request.request_key, request.num_completions)
        return await self._engine.complete(request) if found is None else found

    async def stop(self) -> None:
        """Stops the engine behind."""
        await self._engine.stop()

    def statistics(self) -> EngineStatistics | None:
        """What the engine behind tells."""
        return self._engine.statistics()


class AnswersAlone:
    """Stands for an engine that is not started; see `Engine`."""

    def __init__(self, identity: EngineIdentity, answers: EarlierAnswers) -> None:
        self._identity = identity
        self._answers = answers

    async def start(self) -> EngineIdentity:
        """Who answered then."""
        return self._identity

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """The earlier answer.

        Raises:
            NotAskedError: there is none.
        """
        found = self._answers.find(request.request_key, request.num_completions)
        if found is None:
            raise NotAskedError(f"no earlier run was asked this (attempt {request.attempt}); run without --no-ask")
        return found

    async def stop(self) -> None:
        """Nothing runs."""

    def statistics(self) -> EngineStatistics | None:
        """None: nothing runs."""
        return None


def earlier_identity(name: str, config: EngineConfig, earlier: Iterable[EngineIdentity]) -> EngineIdentity | None:
    """Which of the models of earlier runs an engine of a job would be; None where it is another.

    Args:
        name: of the engine in the job, for messages.
        config: of the engine.
        earlier: who answered in the earlier runs.

    Raises:
        JobError: the job leaves open which revision of a model it means, and earlier runs had several.
    """
    meant = [one for one in dict.fromkeys(earlier) if _may_be(config, one)]
    revisions = sorted({one.model_revision for one in meant})
    if len(revisions) > 1:
        raise JobError(
            f"engines.{name}: the reused runs have {meant[0].model} at the revisions {', '.join(revisions)}; give "
            f"engines.{name}.revision the one that is meant"
        )
    return meant[0] if meant else None


def _may_be(config: EngineConfig, identity: EngineIdentity) -> bool:
    if isinstance(config, CascadeEngineConfig):
        return identity.engine == config.kind
    if identity.model != config.model:
        return False
    if isinstance(config, EndpointEngineConfig):
        return identity.model_revision == config.revision
    folder = model_folder(config.model)
    revision = config.revision if folder is None else folder_revision(folder)
    return revision in (None, identity.model_revision) and deciding_json(config.engine_args) == identity.engine_args
