# One image for all stages: what a container runs and may do is in its arguments (docs/kubernetes.md, "Container image").
# No instruction needs BuildKit.
ARG BASE_IMAGE=denoland/deno:debian-2.9.6

FROM ${BASE_IMAGE} AS build
WORKDIR /app
ENV DENO_DIR=/app/deno-dir
COPY deno.json deno.lock ./
RUN deno ci
COPY lib lib
COPY tasks tasks
COPY config/model.jsonc config/
# What only the tests import goes, and so does the DuckDB for another libc.
RUN deno clean --except tasks/*.ts \
  && rm -rf node_modules/.deno/@duckdb+node-bindings-*-musl@* \
  && rm -r ${DENO_DIR}
# The transpiled modules are in the image: nothing is compiled when a stage starts.
RUN for task in tasks/*.ts; do \
    deno run --cached-only --frozen --node-modules-dir=manual --no-prompt --allow-all ${task} --help > /dev/null || exit 1; \
  done
# Whatever umask it was checked out with: anybody may read it, only root may write.
RUN chmod -R u=rwX,go=rX /app && mkdir /work

FROM ${BASE_IMAGE}
WORKDIR /app
# V8 sizes its heap by the container's memory, not by the node's.
ENV DENO_DIR=/app/deno-dir DENO_NO_UPDATE_CHECK=1 DENO_USE_CGROUPS=1
# The packages first: a change of the program leaves that layer, which is nearly all of it, as it is.
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/deno.json /app/deno.lock ./
COPY --from=build /app/lib lib
COPY --from=build /app/tasks tasks
COPY --from=build /app/config config
COPY --from=build /app/deno-dir deno-dir
# Where the work volume is mounted: a fresh volume of Docker takes its owner from here.
COPY --from=build --chown=65532:65532 /work /work
USER 65532:65532
# As process 1 Deno would not hear a signal that comes before the program listens for it.
ENTRYPOINT ["/tini", "--", "deno", "run", "--cached-only", "--frozen", "--node-modules-dir=manual", "--no-prompt"]

ARG BASE_IMAGE
ARG VERSION=unreleased
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="nightly-marts" \
  org.opencontainers.image.description="Turns the CSV files that stores deliver each day into sales marts" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.base.name="${BASE_IMAGE}"
