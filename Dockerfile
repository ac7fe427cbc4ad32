# All images. They share the base and the exported models, which is why this is one file. docker compose builds the targets
# `triton` (with a GPU `triton-gpu`) and `frontend`, deploy/aws also `worker` or `sagemaker`; what changes most is copied last.

FROM python:3.11-slim-bookworm AS base
# Not root, and by number: Kubernetes checks `runAsNonRoot` against a number only.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin oncoserve
# ONNX Runtime 1.29 and later report to Microsoft unless told not to.
ENV ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app

# pip installs into the environment from outside, so that the images do without pip.
FROM base AS environment
RUN python -m venv --without-pip /opt/venv

# The serving graphs, from the pinned weights, with every check of `make models`. Depends on model_export and one file of oncoserve alone.
FROM base AS export
COPY requirements-export.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --quiet --require-hashes --no-deps -r requirements-export.lock
COPY --chmod=755 oncoserve/runtime/files.py oncoserve/runtime/
COPY --chmod=755 model_export model_export
# Trained here and in git; its graph for GPUs is made from it.
COPY --chmod=755 model_repository/brain_tumour model_repository/brain_tumour
RUN --mount=type=cache,target=/app/build/wheels python -m model_export
# The frontend states the served file's sha256, which is in export.json; it does without the file itself.
RUN mkdir /records && cp --parents model_repository/*/*/export.json /records

FROM environment AS triton-environment
COPY requirements-triton.lock .
# Left out: the stubs for other versions of Python, and the libpython that one of them brings along (40 MB).
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-triton.lock \
    && packages=/opt/venv/lib/python3.11/site-packages \
    && stubs=$packages/pytriton/tritonserver/python_backend_stubs \
    && find "$stubs" -mindepth 1 -maxdepth 1 ! -name 3.11 -exec rm -r {} + \
    && rm "$packages"/nvidia_pytriton.libs/libpython3*

FROM base AS models
COPY --from=export /app/model_repository model_repository

FROM models AS triton
LABEL org.opencontainers.image.title="oncoserve-triton" \
      org.opencontainers.image.description="Triton Inference Server 2.51 on the CPU with the models of Oncoserve. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT"
COPY --from=triton-environment /opt/venv /opt/venv
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 inference_server inference_server
USER 10001:10001
CMD ["python", "-m", "inference_server"]

# The same with the GPU's ONNX Runtime in place of the CPU's, and CUDA. Left out, 0.6 GB: what only compilers read, and
# libraries for what no model here does: Fourier transforms (cufft, with nvJitLink), recurrent networks (cudnn_adv).
FROM triton-environment AS triton-gpu-environment
COPY requirements-triton-gpu.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python uninstall --quiet --yes onnxruntime \
    && pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-triton-gpu.lock \
    && nvidia=/opt/venv/lib/python3.11/site-packages/nvidia && cuda=$nvidia/cu13/lib \
    && rm -r "$nvidia"/*/include "$cuda"/*.a "$cuda"/libcufft* "$cuda"/libnvJitLink* "$cuda"/libnvblas* "$cuda"/libnvrtc*alt* \
       "$nvidia"/cudnn/lib/libcudnn_adv*

FROM models AS triton-gpu
LABEL org.opencontainers.image.title="oncoserve-triton-gpu" \
      org.opencontainers.image.description="Triton Inference Server 2.51 on an NVIDIA GPU with the models of Oncoserve. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT"
# What the NVIDIA Container Toolkit brings in from the machine: libcuda, and NVML for the metrics.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all \
    ONCO_TRITON_DEVICE=gpu
COPY --from=triton-gpu-environment /opt/venv /opt/venv
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 inference_server inference_server
USER 10001:10001
CMD ["python", "-m", "inference_server"]

FROM environment AS frontend-environment
COPY requirements-frontend.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-frontend.lock

FROM base AS frontend
LABEL org.opencontainers.image.title="oncoserve-frontend" \
      org.opencontainers.image.description="Oncology imaging over HTTP, answered by Triton. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT"
# A named volume takes its owner from here.
RUN install --directory --owner=10001 --group=10001 /var/lib/oncoserve /var/lib/oncoserve-pacs /secrets
COPY --from=frontend-environment /opt/venv /opt/venv
# By name: the package of brain_mri's labelled pictures states no licence, so they served the export and go no further.
COPY --from=export /app/build/samples/brain_mri/template build/samples/brain_mri/template
COPY --from=export /app/build/samples/he_tissue build/samples/he_tissue
COPY --from=export /records .
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 oncoserve oncoserve
COPY --chmod=755 frontend frontend
USER 10001:10001
CMD ["python", "-m", "frontend"]

# A PACS to try `oncoserve pacs` with, for the profile of that name: docs/pacs.md.
FROM base AS orthanc
LABEL org.opencontainers.image.title="oncoserve-orthanc" \
      org.opencontainers.image.description="Debian's Orthanc with its DICOMweb plugin, a PACS to try Oncoserve with." \
      org.opencontainers.image.licenses="GPL-3.0-or-later"
# Debian keeps one version of a package at a time: a pinned one would be gone with the next security update.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends orthanc orthanc-dicomweb \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=10001 --group=10001 /var/lib/oncoserve-orthanc
COPY --chmod=644 deploy/pacs/orthanc.json /etc/oncoserve/orthanc.json
USER 10001:10001
# The password is a secret of Compose, and becomes a string of JSON.
CMD ["sh", "-c", "ORTHANC_PASSWORD=$(sed 's/[\"\\\\]/\\\\&/g' /run/secrets/pacs_password) exec Orthanc /etc/oncoserve/orthanc.json"]

# The parts that the frontends of docker-compose.cluster.yml share: docs/scale_out.md. Debian's packages, as above.
FROM base AS postgres
LABEL org.opencontainers.image.title="oncoserve-postgres" \
      org.opencontainers.image.description="Debian's PostgreSQL with the database of Oncoserve's jobs." \
      org.opencontainers.image.licenses="PostgreSQL"
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && mkdir -p /etc/postgresql-common \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
    && apt-get install -y -qq --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=10001 --group=10001 /var/lib/oncoserve-postgres
COPY --chmod=755 deploy/cluster/postgres.sh /usr/local/bin/
USER 10001:10001
CMD ["postgres.sh"]

FROM environment AS seaweed-environment
COPY deploy/cluster/seaweed.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r seaweed.lock

FROM base AS seaweed
LABEL org.opencontainers.image.title="oncoserve-seaweed" \
      org.opencontainers.image.description="SeaweedFS with the bucket of Oncoserve's results." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN install --directory --owner=10001 --group=10001 /var/lib/oncoserve-seaweed
COPY --from=seaweed-environment /opt/venv /opt/venv
COPY --chmod=755 deploy/cluster/seaweed.sh /usr/local/bin/
USER 10001:10001
CMD ["seaweed.sh"]

FROM base AS balancer
LABEL org.opencontainers.image.title="oncoserve-balancer" \
      org.opencontainers.image.description="Debian's HAProxy before the frontends of Oncoserve." \
      org.opencontainers.image.licenses="GPL-2.0-or-later"
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends haproxy \
    && rm -rf /var/lib/apt/lists/*
COPY --chmod=644 deploy/cluster/haproxy.cfg /etc/oncoserve/haproxy.cfg
USER 10001:10001
CMD ["haproxy", "-W", "-f", "/etc/oncoserve/haproxy.cfg"]

# What works on jobs in AWS: the frontend with the packages that speak to it.
FROM frontend-environment AS worker-environment
COPY requirements-aws.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-aws.lock

# Triton and the frontend in one container.
FROM triton-environment AS whole-environment
COPY requirements-frontend.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-frontend.lock

# An endpoint of SageMaker: docs/sagemaker.md.
FROM models AS sagemaker
LABEL org.opencontainers.image.title="oncoserve-sagemaker" \
      org.opencontainers.image.description="Oncoserve as the container of an endpoint of SageMaker. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"
COPY --from=whole-environment /opt/venv /opt/venv
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 inference_server inference_server
COPY --chmod=755 oncoserve oncoserve
COPY --chmod=755 frontend frontend
# AWS's documentation expects root; --build-arg USER_ID=0 is for an account where that turns out to be needed.
ARG USER_ID=10001
USER ${USER_ID}:${USER_ID}
EXPOSE 8080
ENTRYPOINT ["python", "-m", "frontend.sagemaker"]
CMD ["serve"]

# `oncoserve models` for models of one's own, with the project's to begin with: docker-compose.models.yml.
FROM whole-environment AS own-models-environment
COPY requirements-export.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-export.lock

FROM models AS own-models
LABEL org.opencontainers.image.title="oncoserve-models" \
      org.opencontainers.image.description="Adds, checks and measures models for Oncoserve. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT"
# A named volume takes its owner from here.
RUN install --directory --owner=10001 --group=10001 /own /own/model_repository
COPY --from=own-models-environment /opt/venv /opt/venv
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 inference_server inference_server
COPY --chmod=755 oncoserve oncoserve
COPY --chmod=755 model_export model_export
USER 10001:10001
ENTRYPOINT ["python", "-m", "oncoserve", "models"]

FROM triton-gpu-environment AS sagemaker-gpu-environment
COPY requirements-frontend.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps -r requirements-frontend.lock

FROM models AS sagemaker-gpu
LABEL org.opencontainers.image.title="oncoserve-sagemaker-gpu" \
      org.opencontainers.image.description="Oncoserve as the container of an endpoint of SageMaker, on an NVIDIA GPU. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="MIT" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all \
    ONCO_TRITON_DEVICE=gpu
COPY --from=sagemaker-gpu-environment /opt/venv /opt/venv
COPY --chmod=755 model_repository model_repository
COPY --chmod=755 supervision supervision
COPY --chmod=755 inference_server inference_server
COPY --chmod=755 oncoserve oncoserve
COPY --chmod=755 frontend frontend
ARG USER_ID=10001
USER ${USER_ID}:${USER_ID}
EXPOSE 8080
ENTRYPOINT ["python", "-m", "frontend.sagemaker"]
CMD ["serve"]

FROM frontend AS worker
LABEL org.opencontainers.image.title="oncoserve-worker" \
      org.opencontainers.image.description="The worker of Oncoserve's jobs in AWS. Research use only. Not a medical device."
COPY --from=worker-environment /opt/venv /opt/venv
CMD ["python", "-m", "oncoserve", "worker"]
