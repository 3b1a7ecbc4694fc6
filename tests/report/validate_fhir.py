"""Validates FHIR Bundles with fhir.resources (R4B); runs in .venv-fhir, which `scripts/setup.py --tests` makes.

Standard input: Bundles as JSON lines. Standard output: for each a JSON list of its problems, empty where it is valid.
The library checks names, types, cardinalities and formats. What it knows and does not check is checked here: the
codes of required bindings, and that references point to an entry of a type that they may have.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import BaseModel, ValidationError


def problems(line: str) -> list[str]:
    try:
        bundle = Bundle.model_validate_json(line)
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    types = {entry.fullUrl: type(entry.resource).__name__ for entry in bundle.entry or ()}
    return list(walked(bundle, "Bundle", types))


def walked(element: BaseModel, path: str, types: dict[str, str]) -> Iterator[str]:
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        if value is None:
            continue
        known = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        for each in value if isinstance(value, list) else [value]:
            yield from checked(each, f"{path}.{name}", known, types)
            if isinstance(each, BaseModel):
                yield from walked(each, f"{path}.{name}", types)


def checked(value: Any, path: str, known: dict[str, Any], types: dict[str, str]) -> Iterator[str]:
    codes = known.get("enum_values")
    # A list that ends in "+" is not the whole list.
    if codes and "+" not in codes and value not in codes:
        yield f"{path}: {value!r} is not one of {', '.join(codes)}"
    targets = known.get("enum_reference_types")
    if targets and getattr(value, "reference", None) is not None:
        target = types.get(value.reference)
        if target is None or (targets != ["Resource"] and target not in targets):
            yield f"{path}: {value.reference} is {target or 'not in the Bundle'}, not one of {', '.join(targets)}"


def main() -> int:
    found = [problems(line) for line in sys.stdin if line.strip()]
    for each in found:
        print(json.dumps(each))
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
