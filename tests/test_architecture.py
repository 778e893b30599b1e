"""The doors between the packages, read from the source."""

from __future__ import annotations

import ast
import re
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


def test_the_map_of_the_service_has_every_module_once() -> None:
    """Each module of cds_service stands once in the map of its README, and nothing else does."""
    text = (ROOT / "cds_service" / "README.md").read_text(encoding="utf-8").partition("## The modules")[2]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = [found[1] for row in rows if (found := re.fullmatch(r"\| `(\w+\.py)` \| \S.* \|", row))]
    assert len(named) == len(rows)
    modules = {file.name for file in (ROOT / "cds_service").glob("*.py")} - {"__init__.py"}
    assert sorted(named) == sorted(modules)


def test_statuses_of_refusals_are_chosen_in_one_module() -> None:
    """No module of the service but `problems` makes a Problem of a status by itself."""
    strays = [
        f"{file.name}: {node.lineno}"
        for file in (ROOT / "cds_service").glob("*.py")
        if file.name != "problems.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"
    ]
    assert strays == []


@pytest.mark.parametrize("package", ["knowledge", "cards"])
def test_the_pure_packages_know_no_framework(package: str) -> None:
    """Neither Flask nor FHIR classes nor a database reach the knowledge or the cards."""
    outside = {module.split(".")[0] for _, module in _imports(package)}
    assert outside & {"flask", "fhir", "sqlalchemy", "gunicorn", "werkzeug", "orjson", "pydantic"} == set()


def test_what_judges_orders_does_not_know_the_loader() -> None:
    """In the pure packages only the commands load knowledge; what reads charts, decides and words is handed it."""
    loading = {
        str(file.relative_to(ROOT))
        for package in ("knowledge", "cards")
        for file, module in _imports(package)
        if module == "knowledge.loading"
    }
    assert loading == {"knowledge/__main__.py", "knowledge/checks.py"}


def test_no_clinical_number_stands_in_the_code_that_reads_charts() -> None:
    """The modules that decide hold no number above 9 but the shape of dates and codes: thresholds live in the topic."""
    allowed = {"knowledge/dates.py", "knowledge/check_digits.py", "knowledge/vocabulary.py", "knowledge/rendering.py"}
    numbers = {
        f"{file.relative_to(ROOT)}: {node.value}"
        for package in ("knowledge", "cards")
        for file in (ROOT / package).rglob("*.py")
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
        "cards/wording/summaries.py: 139",  # longest summary, CDS Hooks 2.0.1
        "cards/wording/markdown.py: 80",  # longest quotation from a chart
        "cards/configuration.py: 100",  # most cards of one answer
        "knowledge/inference.py: 4096",  # states of findings that are remembered
        "knowledge/order_text.py: 200",  # longest text of an order that is read
    }


_NUMBER = (
    r"(\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred)"
)
# "Six weeks", "four-week", "seven possible scenarios"; "under 18", "age 65".
_CLINICAL_NUMBER = re.compile(
    rf"\b{_NUMBER}[ -](\w+ )?(day|week|month|year|scenario|variant)s?\b|\b(under|over|age|aged|least|than) {_NUMBER}\b",
    re.IGNORECASE,
)


def _sentences(package: str) -> Iterator[tuple[Path, str]]:
    """Every string of a package's code but docstrings."""
    for file in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                yield file, node.value


def test_no_sentence_of_a_card_holds_a_clinical_number() -> None:
    """How many weeks, years or scenarios is said as the topic has it: no string of cards/ says it, spelled or not."""
    written = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file, sentence in _sentences("cards")
        for found in _CLINICAL_NUMBER.finditer(sentence)
    ]
    assert written == []
