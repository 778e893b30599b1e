"""Whether a topic's folder is whole: every file that `contents.json` lists, with as many codes and rules as it says."""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.sources import Fault, Json, Sources


def missing_parts(sources: Sources) -> Iterator[Fault]:
    """Files, codes and rules that went missing, or came without being declared."""
    listed = sources.contents["valuesets"]
    for name in listed:
        if name not in sources.value_sets:
            yield Fault(sources.value_set_file(name), "$", "is missing, though contents.json lists it")
    for name, data in sources.value_sets.items():
        file = sources.value_set_file(name)
        if name not in listed:
            yield Fault(file, "$", "is not listed in contents.json")
            continue
        for part in ("include", "exclude"):
            held, declared = _codes(data["compose"].get(part, [])), listed[name].get(part, 0)
            if held != declared:
                yield Fault(file, f"$.compose.{part}", f"holds {held} codes; contents.json says {declared}")
    keys = sources.orders["keys"]
    order_codes = sum(len(key["codes"]) for key in keys)
    products = sum(len(group["element"]) for group in sources.products["group"])
    for name, file, path, held in (
        ("closing_rules", sources.topic_file, "$.entry.closed_when", len(sources.topic["entry"]["closed_when"])),
        ("order_keys", sources.orders_file, "$.keys", len(keys)),
        ("order_codes", sources.orders_file, "$.keys", order_codes),
        ("products", sources.products_file, "$.group", products),
    ):
        if held != sources.contents[name]:
            what = name.replace("_", " ")
            yield Fault(file, path, f"holds {held} {what}; contents.json says {sources.contents[name]}")


def _codes(blocks: list[Json]) -> int:
    return sum(len(block.get("concept", [])) + len(block.get("filter", [])) for block in blocks)
