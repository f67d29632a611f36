# One image for every role: web, dispatcher, worker, flower, migrate, and the sandbox as its own target.
# python:3.13.15-slim
ARG PYTHON_IMAGE=python@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/cleanplate
WORKDIR /src
COPY requirements requirements
RUN /opt/cleanplate/bin/pip install --quiet --require-hashes --no-deps -r requirements/image.txt
COPY . .
RUN /opt/cleanplate/bin/pip install --quiet --no-deps --no-build-isolation .

FROM build AS build-sandbox
RUN /opt/cleanplate/bin/pip install --quiet --require-hashes --no-deps -r requirements/demo.txt

FROM ${PYTHON_IMAGE} AS base
RUN groupadd --gid 10001 cleanplate && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin cleanplate
ENV PATH=/opt/cleanplate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CLEANPLATE_HOME=/var/lib/cleanplate
RUN mkdir /var/lib/cleanplate && chown cleanplate:cleanplate /var/lib/cleanplate
WORKDIR /var/lib/cleanplate
ENTRYPOINT ["cleanplate"]

FROM base AS sandbox
COPY --from=build-sandbox /opt/cleanplate /opt/cleanplate
USER 10001:10001
CMD ["sandbox", "--host", "0.0.0.0", "--port", "8090"]

FROM base AS cleanplate
COPY --from=build /opt/cleanplate /opt/cleanplate
USER 10001:10001
CMD ["web"]
