# `docker build -t fcaps .` makes the GPU image; `--build-arg EXTRA=cpu` the one for machines without a GPU.
# Run it with room in /dev/shm, where Ray keeps the Segments on their way: `docker run --shm-size=16g --gpus=all ...`;
# Docker's own 64 MB send them to the disk. See jobs/cluster/ for one machine, Slurm and Kubernetes.
FROM python:3.11.16-slim-bookworm AS build

ARG EXTRA=gpu

RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY fcaps_pipeline ./fcaps_pipeline
COPY prompts ./prompts
COPY schemas ./schemas
COPY jobs ./jobs

RUN pip install --no-cache-dir --constraint fcaps_pipeline/environment/constraints.txt ".[${EXTRA},train]" \
    && python -m fcaps_pipeline.environment.repair


FROM python:3.11.16-slim-bookworm

# A compiler, because kernels are made where they run: Triton builds its CUDA driver module and launchers in C when the
# first kernel starts, torch.compile builds C++ for a CPU. nvcc is not needed: without it vLLM leaves FlashInfer out.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home fcaps \
    && mkdir /work \
    && chown fcaps /work \
    && chmod 0777 /work /home/fcaps

COPY --from=build /opt/venv /opt/venv
COPY jobs /opt/fcaps/jobs
COPY schemas /opt/fcaps/schemas

# Caches of compiled kernels want a home and a name for the user, whatever --user says.
ENV PATH=/opt/venv/bin:$PATH HOME=/home/fcaps USER=fcaps
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["fcaps"]
CMD ["--help"]
