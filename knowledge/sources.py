"""The files of a topic's folder, each held by its schema; an error names the file and the JSON path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jiter import from_json

from knowledge.schema import Schema

ROOT = Path(str(files("knowledge")))
SCHEMAS = ROOT / "schemas"

Json = dict[str, Any]

SUPPORTING = "-supporting"
"""How the name of a file ends whose codes only point."""


class KnowledgeError(Exception):
    """The data cannot be used; the message names the file and the place in it."""

    def __init__(self, file: Path | str, path: str, message: str) -> None:
        super().__init__(f"{file}: {path}: {message}")


class Fault(NamedTuple):
    """What is wrong, and where: the file and the place in it."""

    file: Path
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Sources:
    """Every file of a topic's folder but its rulings; each has passed its schema."""

    folder: Path
    topic: Json
    orders: Json
    products: Json
    contents: Json
    value_sets: Mapping[str, Json]
    """By the name of the file, without its ending."""

    @property
    def topic_file(self) -> Path:
        return self.folder / "topic.json"

    @property
    def orders_file(self) -> Path:
        return self.folder / "orders.json"

    @property
    def products_file(self) -> Path:
        return self.folder / "rxnorm-products.json"

    @property
    def contents_file(self) -> Path:
        return self.folder / "contents.json"

    def value_set_file(self, name: str) -> Path:
        return self.folder / "valuesets" / f"{name}.json"


def read_sources(folder: Path) -> Sources:
    """The files of a topic's folder; raises KnowledgeError where one is not as its schema says."""
    return Sources(
        folder=folder,
        topic=read_checked(folder / "topic.json", "topic.schema.json"),
        orders=read_checked(folder / "orders.json", "orders.schema.json"),
        products=read_checked(folder / "rxnorm-products.json", "products.schema.json"),
        contents=read_checked(folder / "contents.json", "contents.schema.json"),
        value_sets={
            file.stem: read_checked(file, "valueset.schema.json")
            for file in sorted((folder / "valuesets").glob("*.json"))
        },
    )


def read_json(file: Path) -> Json:
    """The object in a file; a duplicate key is an error, for one of the two values would be lost."""

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise KnowledgeError(file, twice, "this key stands twice in one object")
        return found

    def no_number(text: str) -> float:
        raise KnowledgeError(file, "$", f"{text} is not a number")

    try:
        written = file.read_bytes()
        try:
            data = from_json(written, catch_duplicate_keys=True, allow_inf_nan=False)
        except ValueError:  # what is wrong is told by the slower parser
            data = json.loads(written.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_number)
    except OSError as error:
        raise KnowledgeError(file, "$", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KnowledgeError(file, f"byte {error.start}", "not UTF-8") from error
    except json.JSONDecodeError as error:
        raise KnowledgeError(file, f"line {error.lineno}", error.msg) from error
    if not isinstance(data, dict):
        raise KnowledgeError(file, "$", "not an object")
    return data


def read_checked(file: Path, schema: str) -> Json:
    """The object in a file, held by one of the project's schemas."""
    data = read_json(file)
    for error in sorted(_schema(schema).faults(data), key=lambda found: found.json_path):
        raise KnowledgeError(file, error.json_path, error.message[:300])
    return data


@cache
def _schema(name: str) -> Schema:
    return Schema(read_json(SCHEMAS / name))
