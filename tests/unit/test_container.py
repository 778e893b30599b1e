"""The container's files, held without an engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.container import ROOT, instructions, of_kind


def test_the_dockerfile_passes_its_linter() -> None:
    """hadolint finds nothing in the Dockerfile."""
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter is not None
    result = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_container_runs_without_privileges() -> None:
    """The last stage brings only the venv from the first, and ends as a user by number that is not root."""
    assert of_kind(1, "COPY") == ["--from=build /opt/cds /opt/cds"]
    assert of_kind(1, "USER") == ["10001:10001"]
    kinds = [name for name, _ in instructions(1)]
    assert "RUN" not in kinds[kinds.index("USER") :]


def test_the_container_refuses_strangers_by_default() -> None:
    """The command as shipped does not say that callers need no authentication."""
    (command,) = of_kind(1, "CMD")
    assert json.loads(command) == ["serve", "--host", "0.0.0.0"]
    assert of_kind(1, "ENTRYPOINT") == ['["cds-service"]']


def test_the_health_check_asks_what_the_service_answers() -> None:
    """The check is Python that opens the address of liveness on the exposed port."""
    ((options, _, check),) = [rest.partition("CMD ") for rest in of_kind(1, "HEALTHCHECK")]
    assert "--timeout=3s" in options
    _, _, code = json.loads(check)
    compile(code, "HEALTHCHECK", "exec")
    assert f"http://127.0.0.1:{of_kind(1, 'EXPOSE')[0]}/health/live" in code


def test_every_package_is_copied_and_nothing_is_held_back_from_it() -> None:
    """What pyproject.toml builds is copied into the first stage, and .dockerignore lets it through."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    copied = {name for each in of_kind(0, "COPY") for name in each.split()[:-1]}
    assert {package.split(".")[0] for package in packages} <= copied
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == copied


@pytest.fixture
def compose() -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        (ROOT / "compose.yaml").read_text(encoding="utf-8")
    )
    return loaded


def test_the_composed_service_is_published_on_loopback_alone(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    """It runs without authentication, so that its port must not leave the machine, and its file system is read-only."""
    service = compose["services"]["service"]
    assert "--without-authentication-on-a-network" in str(service["command"])
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert "ports" not in compose["services"]["database"]


def test_no_password_stands_in_the_file(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    """Both the database and the service take the password from the environment, and fail where it is missing."""
    assert "${CDS_DATABASE_PASSWORD:?" in str(compose["services"]["database"]["environment"])
    assert "${CDS_DATABASE_PASSWORD:?" in str(compose["services"]["service"]["environment"])
