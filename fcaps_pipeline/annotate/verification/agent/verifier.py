"""The `agent` verifier: an LLM, of text or of sound, that checks a caption step by step with tools.

A `Subject` enters, an `Opinion` leaves. At each step the model sees the case and what it asked before, and answers
under a grammar with one tool call or the verdict. One answer that is none (no JSON, a tool that is not there, the same
call again) is pointed out; with the second, or when steps or tokens are spent, all claims stay open and say why.
"""

from dataclasses import dataclass, field

from fcaps_pipeline.annotate.engines.answers import excerpt
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.verification.agent.case import (
    Case,
    agent_tool,
    as_line,
    open_case,
    show_case,
    show_exhibit,
)
from fcaps_pipeline.annotate.verification.agent.conclusion import Witness, conclude, confirmed_faults, leave_open
from fcaps_pipeline.annotate.verification.agent.questions import ask
from fcaps_pipeline.annotate.verification.agent.steps import Call, Final, Misstep, Probe, Step, parse_step
from fcaps_pipeline.annotate.verification.agent.tools import use
from fcaps_pipeline.annotate.verification.agent.trajectory import Ending, Trajectory, Turn, make_turn
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject, Verifier
from fcaps_pipeline.errors import EngineRequestError, NotAskedError
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.jobs.verification import AgentVerifierConfig
from fcaps_pipeline.records.annotations import Completion

_MIN_TOKENS = 64
"""No verdict is shorter: with fewer tokens left nothing is asked."""
_MAX_MISSTEPS = 1
"""That many are pointed out, the next one ends it."""


@dataclass
class _Walk:
    """What was done about one caption so far."""

    case: Case
    shown: str
    history: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    num_missteps: int = 0
    num_tokens: int = 0
    """Prompts and answers, those of a probe among them."""
    num_output_tokens: int = 0
    """Of the agent itself: what its budget is held against."""


class AgentVerifier:
    """One engine as an agent; see `Verifier`."""

    def __init__(
        self,
        engine: Engine,
        identity: EngineIdentity,
        config: AgentVerifierConfig,
        prompt: Prompt,
        *,
        probe: Verifier | None = None,
        language: str | None = "en",
    ) -> None:
        """Keeps what it is given.

        Args:
            engine: started.
            identity: what it said of itself then.
            config: of the job.
            prompt: the instruction that `config` names.
            probe: a verifier of kind `probe` that asks an engine at hand; None where there is none.
            language: of the captions.
        """
        self._engine = engine
        self._identity = identity
        self._config = config
        self._prompt = prompt
        self._probe = probe
        self._language = language
        self._witness = Witness(agent_tool(config.engine), hears=config.hears)

    async def verify(self, subject: Subject) -> Opinion:
        """Gives each open claim a result, and looks for the faults of the checklist; see `Verifier.verify`.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this caption.
            EngineRetryableError: it could not answer for a passing reason, and patience is over.
            NotAskedError: no earlier run was asked this, and nobody may be asked now.
        """
        case = open_case(subject, hears=self._config.hears)
        walk = _Walk(case, show_case(case))
        while (num_left := self._config.max_steps - len(walk.turns)) > 0:
            if self._tokens_left(walk) < _MIN_TOKENS:
                return self._give_up(walk, "budget", f"{walk.num_output_tokens} of {self._config.max_tokens} tokens")
            request = self._request(walk, num_left)
            try:
                (completion,) = await self._engine.complete(request)
            except NotAskedError:
                raise
            except EngineRequestError as error:
                return self._give_up(walk, "refused", excerpt(error))
            ended = await self._take(walk, request, completion)
            if ended is not None:
                return ended
        return self._give_up(walk, "budget", f"{len(walk.turns)} of {self._config.max_steps} steps")

    def _tokens_left(self, walk: _Walk) -> int:
        return self._config.max_tokens - walk.num_output_tokens

    def _request(self, walk: _Walk, num_left: int) -> CaptionRequest:
        sampling = self._config.sampling
        num_tokens = min(sampling.max_tokens, self._tokens_left(walk))
        return ask(
            self._prompt,
            walk.shown,
            walk.history,
            segment=walk.case.subject.segment,
            identity=self._identity,
            sampling=sampling.model_copy(update={"max_tokens": num_tokens}),
            hears=self._config.hears,
            num_left=num_left,
            has_probe=self._probe is not None,
        )

    async def _take(self, walk: _Walk, request: CaptionRequest, completion: Completion) -> Opinion | None:
        """What follows from one answer; None where another step follows."""
        walk.num_tokens += completion.num_prompt_tokens + completion.num_output_tokens
        walk.num_output_tokens += completion.num_output_tokens
        turn = make_turn(request.request_key, completion)
        step = self._read(walk, completion)
        if isinstance(step, Misstep):
            walk.turns.append(turn.model_copy(update={"fault": f"{step.name}: {step.detail}"}))
            return self._correct(walk, step)
        if isinstance(step.step, Final):
            walk.turns.append(turn)
            return self._conclude(walk, step.step)
        found = await self._use(walk, step.step)
        walk.turns.append(turn.model_copy(update={"found": found}))
        return None

    def _read(self, walk: _Walk, completion: Completion) -> Step | Misstep:
        step = parse_step(completion.text)
        if isinstance(step, Misstep) and completion.finish_reason != "stop":
            return Misstep("nonsense", f"stopped by {completion.finish_reason}")
        if isinstance(step, Misstep) or isinstance(step.step, Final):
            return step
        if isinstance(step.step, Probe) and self._probe is None:
            return Misstep("unknown_tool", "there is no probe")
        call = step.step.model_dump_json()
        if call in walk.calls:
            return Misstep("loop", f"asked before: {excerpt(call)}")
        walk.calls.add(call)
        return step

    def _correct(self, walk: _Walk, step: Misstep) -> Opinion | None:
        if walk.num_missteps >= _MAX_MISSTEPS:
            return self._give_up(walk, step.name, step.detail)
        walk.num_missteps += 1
        walk.history.append(as_line({"correction": step.name.replace("_", " "), "detail": step.detail}))
        return None

    async def _use(self, walk: _Walk, call: Call) -> tuple[str, ...]:
        answer = await use(call, walk.case, self._probe, self._language)
        walk.case, new = walk.case.with_found(answer.found)
        walk.num_tokens += answer.num_tokens
        walk.history.append(as_line({"asked": call.model_dump_json()}))
        walk.history += map(show_exhibit, new)
        if answer.note:
            walk.history.append(as_line({"note": answer.note}))
        values = (f"{one.name}: {one.evidence.tool} {one.evidence.value}" for one in new)
        return (*values, *([answer.note] if answer.note else []))

    def _conclude(self, walk: _Walk, final: Final) -> Opinion:
        faults = confirmed_faults(final.faults, walk.case.subject)
        names = {one.name for one in faults}
        ignored = tuple(f"{one.fault}: {excerpt(one.words)}" for one in final.faults if one.fault not in names)
        return Opinion(
            claims=conclude(final, walk.case, self._witness),
            faults=faults,
            trajectory=self._trajectory(walk, "verdict", None, ignored),
            num_tokens=walk.num_tokens,
        )

    def _give_up(self, walk: _Walk, ending: Ending, detail: str) -> Opinion:
        return Opinion(
            claims=leave_open(walk.case, f"{ending}, {detail}", self._witness),
            trajectory=self._trajectory(walk, ending, detail),
            num_tokens=walk.num_tokens,
        )

    def _trajectory(self, walk: _Walk, ending: Ending, detail: str | None, ignored: tuple[str, ...] = ()) -> str:
        return Trajectory(
            tool=self._witness.tool,
            model=self._identity.model,
            model_revision=self._identity.model_revision,
            prompt=self._prompt.reference,
            ending=ending,
            detail=detail,
            ignored_faults=ignored,
            turns=tuple(walk.turns),
        ).as_json()
