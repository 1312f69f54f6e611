"""Whether a verifier that asks an engine has anything to ask about a candidate. Pure, so that nobody else is sent."""

from fcaps_pipeline.annotate.verification.agent.case import agent_tool
from fcaps_pipeline.annotate.verification.agent.trajectory import has_walked
from fcaps_pipeline.annotate.verification.probe import to_probe
from fcaps_pipeline.jobs.verification import AgentVerifierConfig, EngineVerifierConfig, ProbeVerifierConfig
from fcaps_pipeline.records.annotations import Candidate


def wants(verifier: EngineVerifierConfig, candidate: Candidate) -> bool:
    """Whether a candidate with nothing against it is worth a question; one that was asked about is not asked again."""
    match verifier:
        case ProbeVerifierConfig():
            return bool(to_probe(candidate, verifier))
        case AgentVerifierConfig():
            return not has_walked(candidate.trajectory, agent_tool(verifier.engine))
        case _:
            raise AssertionError(f"no rule says what a verifier of kind {type(verifier).__name__} wants")
