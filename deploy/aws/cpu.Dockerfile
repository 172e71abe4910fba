# syntax=docker/dockerfile:1
# The image of everything but the GPU steps: web server, daemon, command line, endpoint.
# Build it with `make images`, which fills in the arguments from deploy/aws/base-images.env.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST

FROM ${BASE_IMAGE}@${BASE_DIGEST} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/fraud-assets
WORKDIR /src
# Dependencies change less often than the code: a layer of their own.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY fraud_assets/__init__.py fraud_assets/__init__.py
RUN /opt/fraud-assets/bin/pip install --constraint constraints.txt '.[cpu,aws]'
COPY . .
RUN /opt/fraud-assets/bin/pip install --no-deps --force-reinstall .

FROM ${BASE_IMAGE}@${BASE_DIGEST} AS installed
# libgomp1: OpenMP, which scikit-learn's and XGBoost's wheels expect of the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 fraud
COPY --from=build /opt/fraud-assets /opt/fraud-assets
COPY workspace.yaml /opt/fraud-assets/workspace.yaml
COPY deploy/aws/dagster.yaml /opt/dagster/dagster.yaml
RUN chown -R fraud /opt/dagster
ENV PATH=/opt/fraud-assets/bin:$PATH \
    DAGSTER_HOME=/opt/dagster \
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
