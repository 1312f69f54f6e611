"""Makes the Engine that a job's configuration describes; vLLM and OpenAI's client load only when used."""

from fcaps_pipeline.annotate.engines.engine import Engine
from fcaps_pipeline.jobs.annotate_job import CascadeEngineConfig, EndpointEngineConfig, EngineConfig, VllmEngineConfig


def build_engine(config: EngineConfig) -> Engine:
    """An engine that has not been started.

    Raises:
        DependencyError: the package that serves this kind of engine is not installed.
        JobError: an endpoint's key is named but not set.
    """
    match config:
        case VllmEngineConfig():
            from fcaps_pipeline.annotate.engines.vllm_engine import VllmEngine

            return VllmEngine(config)
        case EndpointEngineConfig():
            from fcaps_pipeline.annotate.engines.endpoint_engine import EndpointEngine

            return EndpointEngine(config)
        case CascadeEngineConfig():
            from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine

            return CascadeEngine()
