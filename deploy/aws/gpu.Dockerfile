# syntax=docker/dockerfile:1
# The image of the GPU steps on AWS Batch: the same code with the RAPIDS wheels, which bring the CUDA
# libraries of user space; the host brings the driver (535 or later).
# Build it with `make images`. The CUDA wheels are under NVIDIA's licence: read it before you pass
# the image on to others.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST

FROM ${BASE_IMAGE}@${BASE_DIGEST} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/fraud-assets
WORKDIR /src
# Dependencies change less often than the code: a layer of their own, of several gigabytes.
COPY pyproject.toml constraints-gpu.txt README.md LICENSE ./
COPY fraud_assets/__init__.py fraud_assets/__init__.py
RUN /opt/fraud-assets/bin/pip install --constraint constraints-gpu.txt '.[gpu]'
COPY . .
RUN /opt/fraud-assets/bin/pip install --no-deps --force-reinstall .

FROM ${BASE_IMAGE}@${BASE_DIGEST} AS installed
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 fraud
COPY --from=build /opt/fraud-assets /opt/fraud-assets
# The container runtime mounts the driver where these ask for it.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    FRAUD_ENGINE=gpu \
    PATH=/opt/fraud-assets/bin:$PATH \
    DAGSTER_DISABLE_TELEMETRY=yes \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib

# SageMaker wants containers that run as root:
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
FROM installed AS sagemaker
# SageMaker starts an endpoint's container with this word.
COPY --chmod=755 deploy/aws/serve /opt/fraud-assets/bin/serve
CMD ["python", "-m", "resources.batch.entry", "--preflight"]

FROM installed
USER 10001
WORKDIR /home/fraud
# No entry point: Batch, SageMaker and ECS each say what to run. By itself the image tells whether it
# could run a step here.
CMD ["python", "-m", "resources.batch.entry", "--preflight"]
