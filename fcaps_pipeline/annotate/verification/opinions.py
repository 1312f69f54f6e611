"""What a verifier that asks an engine leaves at a candidate: results of claims, faults, and what it did.

Enters: a candidate and an `Opinion`. Leaves: the candidate; what follows from a false claim is decided in `remedies`.
"""

import json

from fcaps_pipeline.annotate.verification.agent.case import is_word
from fcaps_pipeline.annotate.verification.probe import ProbeTrajectory, is_probe, probe_tool
from fcaps_pipeline.annotate.verification.selection import drop
from fcaps_pipeline.annotate.verification.verifier import Opinion
from fcaps_pipeline.records.annotations import Candidate, Claim, Evidence, SampleSpan


def apply_opinion(candidate: Candidate, opinion: Opinion) -> Candidate:
    """The candidate with its claims as the verifier left them, dropped where it has a fault as a whole."""
    trajectory = candidate.trajectory
    if opinion.trajectory is not None:
        trajectory = joined(candidate.trajectory, opinion.trajectory)
    claims = None if candidate.claims is None else opinion.claims
    found = candidate.model_copy(update={"claims": claims, "trajectory": trajectory})
    for fault in opinion.faults:
        found = drop(found, fault.name, fault.detail)
    return found


def heard_again(candidate: Candidate, before: Candidate) -> Candidate:
    """A candidate that was judged anew, with what engines had said of the claims that are still in it."""
    known = {_key(one): one for one in before.claims or ()}
    claims = candidate.claims and tuple(_with_answers(one, known.get(_key(one))) for one in candidate.claims)
    return candidate.model_copy(update={"claims": claims})


def _with_answers(claim: Claim, known: Claim | None) -> Claim:
    answers = tuple(one for one in known.evidence if _is_of_engine(one)) if known is not None else ()
    if known is None or not answers:
        return claim
    return claim.model_copy(update={"result": known.result, "evidence": (*claim.evidence, *answers)})


def _is_of_engine(evidence: Evidence) -> bool:
    return is_word(evidence) or evidence.tool.startswith(probe_tool(""))


def _key(claim: Claim) -> tuple[str, str, SampleSpan | None]:
    return claim.attribute, claim.value, claim.interval


def probes_of(trajectory: str | None) -> tuple[ProbeTrajectory, ...]:
    """What probes did, of all that stands in the column."""
    steps = [] if trajectory is None else json.loads(trajectory)
    return tuple(ProbeTrajectory.model_validate(one) for one in steps if is_probe(one))


def joined(before: str | None, trajectory: str) -> str:
    """A JSON list of what each verifier did, in order."""
    return f"[{trajectory}]" if before is None else f"{before[:-1]},{trajectory}]"
