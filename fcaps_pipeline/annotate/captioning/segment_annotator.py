"""Asks one Engine for all captions of a Segment, and asks again where a draw went wrong.

A `SegmentAudio` enters, one `CaptionSet` per granularity leaves, with every candidate, kept or
not. While too few pass the rules, answers are drawn anew with a new seed and bounded changes.
Passing trouble is waited out by the engine itself, see `patience`. What becomes of the Segment is
left to `decision`, a dead engine to the caller.
"""

import asyncio
from collections.abc import Iterable, Mapping

from fcaps_pipeline.annotate.captioning.again import faulty, is_asked_again, last_treated
from fcaps_pipeline.annotate.captioning.gathering import gather
from fcaps_pipeline.annotate.captioning.question import Question, changed_sampling
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.annotate.verification.parsing import parse_answer
from fcaps_pipeline.annotate.verification.remedies import before_asking
from fcaps_pipeline.annotate.verification.sound import unfit_sound
from fcaps_pipeline.errors import EngineRequestError, EngineRetryableError, FcapsError, JobError, NotAskedError
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, CaptionSet, Completion, Verdict
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity


class SegmentAnnotator:
    """One Engine with the questions it is asked."""

    def __init__(
        self,
        engine: Engine,
        captions: dict[Granularity, CaptionConfig],
        verification: VerificationConfig,
        prompts: Mapping[str, Prompt],
        bounds: BoundTable,
    ) -> None:
        """Chooses the prompts.

        Args:
            engine: not started yet.
            captions: what this engine is asked, by granularity.
            verification: bounds of the rules and of the attempts.
            prompts: by reference, all that `captions` name; see `load_prompts`.
            bounds: that claims are held against; see `load_bounds`.

        Raises:
            JobError: a prompt with a place for tags stands where one without is needed, or the reverse.
        """
        self._engine = engine
        self._captions = captions
        self._verification = verification
        self._bounds = bounds
        self._prompts = {one: _plain_prompt(one, config, prompts) for one, config in captions.items()}
        self._tagged_prompts = {one: _tagged_prompt(one, config, prompts) for one, config in captions.items()}
        self._identity: EngineIdentity | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> EngineIdentity:
        """Starts the engine; later calls return at once.

        Raises:
            ModelError: the model is missing or cannot be served.
            EngineDeadError: the engine does not come up.
        """
        async with self._starting:
            if self._identity is None:
                self._identity = await self._engine.start()
            return self._identity

    def statistics(self) -> EngineStatistics | None:
        """See `Engine.statistics`."""
        return self._engine.statistics()

    async def stop(self) -> None:
        """Stops the engine."""
        self._identity = None
        await self._engine.stop()

    async def caption(self, segment: SegmentAudio, before: tuple[CaptionSet, ...] = ()) -> tuple[CaptionSet, ...]:
        """All granularities of one Segment, asked together so that they share the encoded audio.

        A Segment whose sound is unfit is not asked about: its sets are empty, and `decide` says why.

        Args:
            segment: what is asked about.
            before: what was answered earlier; where a verifier found faults in it since, it is asked once more.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this Segment.
        """
        if unfit_sound(segment, self._verification) is not None:
            return tuple(CaptionSet(granularity=one, candidates=(), attempts=0) for one in self._captions)
        identity = await self.start()
        questions = [self._question(granularity, segment, identity) for granularity in self._captions]
        known, facts = {one.granularity: one for one in before}, Facts.of(segment)
        return tuple(await gather(self._ask(one, facts, known.get(one.granularity)) for one in questions))

    def _question(self, granularity: Granularity, segment: SegmentAudio, identity: EngineIdentity) -> Question:
        tagged = self._tagged_prompts[granularity] if segment.recording.tags else None
        return Question(
            granularity=granularity,
            segment=segment,
            config=self._captions[granularity],
            prompt=tagged or self._prompts[granularity],
            tags=segment.recording.tags if tagged else (),
            identity=identity,
        )

    async def _ask(self, question: Question, facts: Facts, before: CaptionSet | None) -> CaptionSet:
        """Draws until enough is kept, no fault is left that a draw could mend, or attempts run out."""
        judge = Judge(facts, self._verification, self._bounds, question.tags)
        found = before or CaptionSet(granularity=question.granularity, candidates=(), attempts=0)
        while not found.attempts or is_asked_again(found, question.config, self._verification):
            found = await self._draw(judge, question, found)
        return last_treated(found, judge, self._verification)

    async def _draw(self, judge: Judge, question: Question, found: CaptionSet) -> CaptionSet:
        """One attempt more, in place of what went wrong in the last one."""
        sampling = question.config.sampling
        for earlier in range(1, found.attempts + 1):
            reasons = (one.verdict.reasons for one in faulty(found, earlier, self._verification))
            sampling = changed_sampling(sampling, set().union(*reasons))
        attempt = found.attempts + 1
        wanted = len(faulty(found, found.attempts, self._verification)) or question.config.num_candidates
        request = question.request(sampling, wanted, attempt)
        try:
            completions = await self._engine.complete(request)
        except (EngineRequestError, EngineRetryableError) as error:
            return _extended(found, attempt, (), error)
        drawn = [self._judge(judge, question, request, index, one) for index, one in enumerate(completions)]
        return _extended(found, attempt, drawn, None)

    def _judge(
        self, judge: Judge, question: Question, request: CaptionRequest, index: int, completion: Completion
    ) -> Candidate:
        parsed = parse_answer(question.granularity, completion.text)
        candidate = Candidate(
            granularity=question.granularity,
            text=parsed.text,
            attributes=parsed.attributes,
            completion=completion,
            attempt=request.attempt,
            request_key=request.request_key,
            completion_index=index,
            provenance=question.provenance(request.sampling, completion),
            verdict=Verdict(),
        )
        return judge.treat(judge.judge(candidate, parsed.fault), before_asking(self._verification.contradicted))


def _extended(found: CaptionSet, attempts: int, drawn: Iterable[Candidate], error: FcapsError | None) -> CaptionSet:
    return CaptionSet(
        granularity=found.granularity,
        candidates=(*found.candidates, *drawn),
        attempts=attempts,
        error=None if error is None else f"{type(error).__name__}: {error}",
        is_unasked=isinstance(error, NotAskedError),
    )


def _plain_prompt(granularity: Granularity, config: CaptionConfig, prompts: Mapping[str, Prompt]) -> Prompt:
    prompt = prompts[config.prompt]
    if prompt.takes_tags:
        raise JobError(
            f"captions.{granularity.value}.prompt: {config.prompt} has a place for tags; name it as prompt_with_tags"
        )
    return prompt


def _tagged_prompt(granularity: Granularity, config: CaptionConfig, prompts: Mapping[str, Prompt]) -> Prompt | None:
    if config.prompt_with_tags is None:
        return None
    prompt = prompts[config.prompt_with_tags]
    if not prompt.takes_tags:
        raise JobError(
            f"captions.{granularity.value}.prompt_with_tags: expected {{tags}} in the text of "
            f"{config.prompt_with_tags}, found none"
        )
    return prompt
