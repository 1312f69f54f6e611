"""The ways to verify that are measured: rules alone, evidence, and what engines add to it.

Enters: a Segment with a caption. Leaves: what is left of the caption after the remedies of the default job that need no
engine: a false sentence deleted, or the caption dropped. A trial is judged as an answer of a captioner would be.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.annotate.verification.bounds import BoundTable, shipped_bounds
from fcaps_pipeline.annotate.verification.claims import OTHER
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.jobs.verification import Remedy, VerificationConfig
from fcaps_pipeline.lab.bench.verification.faults import Trial
from fcaps_pipeline.lab.bench.verification.measure import Checked
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.records.annotations import Candidate, Completion, Provenance, Sampling, Verdict
from fcaps_pipeline.records.captions import Granularity

_NO_ENGINE: tuple[Remedy, ...] = ("delete", "drop")
WAYS: Mapping[str, VerificationConfig] = {
    "rules": VerificationConfig(verifiers=(), contradicted=_NO_ENGINE),
    "evidence": VerificationConfig(contradicted=_NO_ENGINE),
}
_PROVENANCE = Provenance(
    engine="bench",
    engine_version="1",
    model="truth",
    model_revision="1",
    prompt_name="truth",
    prompt_version=1,
    prompt_sha256="",
    sampling=Sampling(),
)


def facts_of(truth: ClipTruth, audio: Path) -> Facts:
    """What is known of a clip whose source tells the words and nothing else."""
    pcm_T = decode_flac(audio.read_bytes())
    return Facts(
        acoustics=measure_acoustics(pcm_T),
        num_samples=len(pcm_T),
        pcm_T=pcm_T,
        transcript=None if truth.speech is None else truth.speech.transcript,
    )


def check(
    trials: Sequence[Trial], facts: Mapping[int, Facts], config: VerificationConfig, bounds: BoundTable | None = None
) -> Iterator[Checked]:
    """What becomes of every trial.

    Args:
        trials: of any clips.
        facts: by clip.
        config: how they are judged.
        bounds: None for those that ship.
    """
    for trial in trials:
        started_s = time.perf_counter()
        judge = Judge(facts[trial.clip], config, bounds or shipped_bounds())
        judged = judge.judge(_candidate(trial))
        kept = judge.treat(judged, config.contradicted)
        taken_s = time.perf_counter() - started_s
        claims = [one for one in judged.claims or () if one.attribute != OTHER]
        yield Checked(
            trial=trial,
            text=kept.text if kept.verdict.kept else None,
            num_claims=len(claims),
            num_called_false=sum(one.result == "contradicted" for one in claims),
            seconds=taken_s,
            num_tokens=0,
        )


def _candidate(trial: Trial) -> Candidate:
    return Candidate(
        granularity=Granularity.FINE,
        text=trial.text,
        completion=Completion(
            text=trial.text, finish_reason="stop", num_prompt_tokens=0, num_output_tokens=0, seed=None
        ),
        attempt=1,
        request_key="",
        completion_index=0,
        provenance=_PROVENANCE,
        verdict=Verdict(),
    )
