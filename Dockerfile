# segue as an image: the command `segue`, and nothing that builds it. `docker build -t segue .`
FROM python:3.13.9-slim-trixie AS build

WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/segue \
    && /opt/segue/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml LICENSE README.md ./
COPY rules rules
COPY state state
COPY streams streams
RUN /opt/segue/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .


FROM python:3.13.9-slim-trixie

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin segue
COPY --from=build /opt/segue /opt/segue
ENV PATH=/opt/segue/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
# HTTP, where `segue serve` is what runs
EXPOSE 8080
ENTRYPOINT ["segue"]
CMD ["--help"]
