# `docker build -t fcaps .` makes the GPU image; `--build-arg EXTRA=cpu` the one for machines without a GPU.
FROM python:3.11-slim-bookworm

ARG EXTRA=gpu

RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ffmpeg \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/fcaps
COPY pyproject.toml README.md LICENSE ./
COPY fcaps_pipeline ./fcaps_pipeline
COPY prompts ./prompts
COPY schemas ./schemas
COPY jobs ./jobs

RUN pip install --no-cache-dir --constraint fcaps_pipeline/environment/constraints.txt ".[${EXTRA},train]" \
    && python -m fcaps_pipeline.environment.repair

WORKDIR /work
ENTRYPOINT ["fcaps"]
CMD ["--help"]
