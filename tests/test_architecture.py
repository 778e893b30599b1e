"""The doors between the packages, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "knowledge": {"knowledge"},
    "cards": {"cards", "knowledge"},
    "cds_service": {"cds_service", "cards", "knowledge", "conformance.schemas"},
    "conformance": {"conformance"},
}
OURS = set(MAY_IMPORT)


def _nodes(package: str) -> Iterator[tuple[Path, ast.AST]]:
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield file, node


def _imports(package: str) -> Iterator[tuple[Path, str]]:
    for file, node in _nodes(package):
        if isinstance(node, ast.Import):
            yield from ((file, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
            yield file, ".".join([*above, *filter(None, [node.module])])


def _passes(package: str, module: str) -> bool:
    """Whether a module is one of ours, or of a stranger, that the package may use."""
    return module.split(".", maxsplit=1)[0] not in OURS or any(
        f"{module}.".startswith(f"{door}.") for door in MAY_IMPORT[package]
    )


@pytest.mark.parametrize("package", sorted(OURS))
def test_a_package_imports_only_through_its_doors(package: str) -> None:
    """cds_service uses cards, knowledge and conformance.schemas, cards uses knowledge; nothing goes the other way."""
    strays = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file, module in _imports(package)
        if not _passes(package, module)
    ]
    assert strays == []


@pytest.mark.parametrize("package", sorted(OURS))
def test_a_package_opens_only_its_own_files(package: str) -> None:
    """What is handed to importlib is the name of a module of the package, so that no string is a door."""
    strays = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file, node in _nodes(package)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("files", "import_module")
        for given in [ast.unparse(each) for each in (*node.args, *(word.value for word in node.keywords))] or [""]
        if given != "__name__" and given.strip("'").split(".")[0] != package
    ]
    assert strays == []


def test_fhir_models_are_imported_in_one_module_and_only_as_r4b() -> None:
    """fhir.resources enters through cds_service/fhir_models.py alone, and never in its R5 default."""
    found = {
        (str(file.relative_to(ROOT)), module.startswith("fhir.resources.R4B."))
        for package in OURS
        for file, module in _imports(package)
        if module.split(".")[0] == "fhir"
    }
    assert found == {("cds_service/fhir_models.py", True)}


@pytest.mark.parametrize("package", ["knowledge", "cards"])
def test_the_pure_packages_know_no_framework(package: str) -> None:
    """Neither Flask nor FHIR classes nor a database reach the knowledge or the cards."""
    outside = {module.split(".")[0] for _, module in _imports(package)}
    assert outside & {"flask", "fhir", "sqlalchemy", "gunicorn", "werkzeug", "orjson", "pydantic"} == set()


def test_no_clinical_number_stands_in_the_code_that_reads_charts() -> None:
    """The modules that decide hold no number above 9 but the shape of dates and codes: thresholds live in the topic."""
    allowed = {"knowledge/dates.py", "knowledge/check_digits.py", "knowledge/vocabulary.py", "knowledge/rendering.py"}
    numbers = {
        f"{file.relative_to(ROOT)}: {node.value}"
        for package in ("knowledge", "cards")
        for file in (ROOT / package).glob("*.py")
        if str(file.relative_to(ROOT)) not in allowed
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
        and abs(node.value) > 9
    }
    assert numbers == {
        "knowledge/sources.py: 300",  # length of a quoted schema error
        "knowledge/agreement.py: 32",  # where water freezes in degrees Fahrenheit
        "cards/wording.py: 139",  # longest summary, CDS Hooks 2.0.1
        "cards/wording.py: 80",  # longest quotation from a chart
        "cards/configuration.py: 100",  # most cards of one answer
        "knowledge/inference.py: 4096",  # states of findings that are remembered
        "knowledge/order_text.py: 200",  # longest text of an order that is read
    }
