"""All that one engine of a job does about Segments: it writes captions, checks those of others, or both.

An `Errand` enters, answers leave as `CaptionSet`s. The engine is started once, whatever it is used for.
"""

from collections.abc import Mapping

from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.captioning.segment_verifier import SegmentVerifier
from fcaps_pipeline.annotate.engines.engine import Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.verification.agent.verifier import AgentVerifier
from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.annotate.verification.probe import ProbeVerifier, check_log_probabilities
from fcaps_pipeline.annotate.verification.verifier import Verifier
from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.jobs.verification import AgentVerifierConfig, EngineVerifierConfig, ProbeVerifierConfig
from fcaps_pipeline.records.annotations import CaptionSet


class EngineDuties:
    """One engine with what a job asks of it."""

    def __init__(self, name: str, engine: Engine, job: Job, prompts: Mapping[str, Prompt], bounds: BoundTable) -> None:
        """Chooses the prompts.

        Args:
            name: of the engine in the job.
            engine: not started yet.
            job: what is asked.
            prompts: by reference, all that the job names; see `load_prompts`.
            bounds: that claims are held against; see `load_bounds`.

        Raises:
            JobError: a prompt lacks a place that its use needs, or has one that it must not have.
        """
        captions = {granularity: one for granularity, one in job.captions.items() if one.engine == name}
        self._annotator = SegmentAnnotator(engine, captions, job.verification, prompts, bounds)
        self._bounds = bounds
        self._engine = engine
        self._job = job
        self._configs = {key: one for key, one in job.engine_verifiers().items() if one.engine == name}
        self._prompts = {key: _prompt_of(key, one, prompts) for key, one in self._configs.items()}
        self._verifiers: dict[str, SegmentVerifier] = {}

    async def start(self) -> EngineIdentity:
        """Starts the engine; see `SegmentAnnotator.start`.

        Raises:
            ModelError: it is a server that tells no log probabilities, and a probe needs them.
        """
        identity = await self._annotator.start()
        for key, config in self._configs.items():
            if isinstance(config, ProbeVerifierConfig) and identity.engine == "endpoint":
                await check_log_probabilities(self._engine, self._prompts[key], f"engines.{config.engine}")
            verifier = self._build_verifier(key, config, identity)
            self._verifiers[key] = SegmentVerifier(
                verifier, config, self._job.captions, self._job.verification, self._bounds
            )
        return identity

    def _build_verifier(self, key: str, config: EngineVerifierConfig, identity: EngineIdentity) -> Verifier:
        prompt = self._prompts[key]
        match config:
            case ProbeVerifierConfig():
                return ProbeVerifier(self._engine, identity, config, prompt)
            case AgentVerifierConfig():
                language = self._job.verification.language
                probe = self._probe(identity)
                return AgentVerifier(self._engine, identity, config, prompt, probe=probe, language=language)
            case _:
                raise AssertionError(f"there is no verifier of kind {type(config).__name__}")

    def _probe(self, identity: EngineIdentity) -> Verifier | None:
        """The probe that asks the same engine; one of another engine is out of reach, and what it heard is evidence."""
        for key, config in self._configs.items():
            if isinstance(config, ProbeVerifierConfig):
                return ProbeVerifier(self._engine, identity, config, self._prompts[key])
        return None

    async def do(self, errand: Errand) -> tuple[CaptionSet, ...]:
        """What the engine has to say at the stage of an errand.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this Segment.
        """
        assert errand.stage is not None
        if errand.stage.verifier is None:
            return await self._annotator.caption(errand.segment, errand.caption_sets)
        return await self._verifiers[errand.stage.verifier].verify(errand.segment, errand.caption_sets)

    def statistics(self) -> EngineStatistics | None:
        """See `Engine.statistics`."""
        return self._annotator.statistics()

    async def stop(self) -> None:
        """Stops the engine."""
        await self._annotator.stop()


def _prompt_of(key: str, config: EngineVerifierConfig, prompts: Mapping[str, Prompt]) -> Prompt:
    prompt = prompts[config.prompt]
    if isinstance(config, ProbeVerifierConfig) and not prompt.takes_claim:
        raise JobError(f"{key}.prompt: expected {{claim}} in the text of {config.prompt}, found none")
    return prompt
