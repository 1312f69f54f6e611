"""Makes the Engine that a job's configuration describes; vLLM and the HTTP client load only when used."""

from fcaps_pipeline.annotate.engines.engine import Engine
from fcaps_pipeline.annotate.engines.patience import PatientEngine
from fcaps_pipeline.jobs.annotate_job import CascadeEngineConfig, EndpointEngineConfig, EngineConfig, VllmEngineConfig


def build_engine(config: EngineConfig, *, counts_load: bool = False) -> Engine:
    """An engine that has not been started.

    Args:
        config: what the job says of it.
        counts_load: whether an engine that can should tell its `statistics`.

    Raises:
        JobError: an endpoint's key is named but not set, or cannot stand in a header.
    """
    match config:
        case VllmEngineConfig():
            from fcaps_pipeline.annotate.engines.vllm_engine import VllmEngine

            return PatientEngine(VllmEngine(config, counts_load=counts_load), config.patience_s)
        case EndpointEngineConfig():
            from fcaps_pipeline.annotate.engines.endpoint_engine import EndpointEngine

            return PatientEngine(EndpointEngine(config), config.patience_s)
        case CascadeEngineConfig():
            from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine

            return CascadeEngine()
