# Two stages: what builds stays behind. The same commands run in a temporary venv by `python -m tests.container`.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY cards cards
COPY cds_service cds_service
COPY conformance conformance
COPY knowledge knowledge
# What was installed is checked, not the source beside it.
RUN python -m venv /opt/cds \
    && /opt/cds/bin/python -m pip install --no-cache-dir '.[postgresql]' \
    && /opt/cds/bin/python -P -m knowledge check

FROM python:3.13-slim
# A user without a name or a home; /data is for SQLite, where no other database is set.
RUN install -d -o 10001 -g 10001 /data
COPY --from=build /opt/cds /opt/cds
ENV PATH=/opt/cds/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDS_DATABASE_URL=sqlite:////data/cds.sqlite3
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=2).close()"]
ENTRYPOINT ["cds-service"]
# Refuses to start where callers are not authenticated: say how they are, or that they need not be (compose.yaml).
CMD ["serve", "--host", "0.0.0.0"]
