"""JSON Schema (draft 2020-12) of the run record, of what ``--json`` prints, and of a watched folder.

``python -m morphinfer.records.schema DOCS`` writes the files into the folder DOCS. Every key that
this version writes is required; more keys are allowed, so that a later version may add some.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from morphinfer.records.doctor import Diagnosis
from morphinfer.records.model_sets import ModelSetCard, ModelSetChecks, ModelSets
from morphinfer.records.run import RunRecord
from morphinfer.records.summary import (
    BatchSummary,
    Evaluation,
    ExportSummary,
    InSlideSummary,
    ReportFile,
    ReportSummary,
    ScoredSummary,
    ShardSummary,
    Summary,
)
from morphinfer.records.watch import WatchStatus

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
PRINTED = (
    ScoredSummary, Summary, BatchSummary, ShardSummary, Evaluation, ReportSummary, ReportFile,
    ModelSets, ModelSetCard, ModelSetChecks, Diagnosis, ExportSummary, InSlideSummary,
)  # fmt: skip


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas, by file name."""
    return {
        "run_record.schema.json": _document("The run record of morphinfer", (RunRecord,)),
        "summary.schema.json": _document("What the commands of morphinfer print as JSON", PRINTED),
        "watch.schema.json": _document(
            "The state of a folder that morphinfer watches", (WatchStatus,)
        ),
    }


def _document(title: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    """A schema that allows each of the kinds, which are listed under '$defs' by their names."""
    defined: dict[str, dict[str, Any]] = {}
    references = [_schema(kind, defined) for kind in kinds]
    body = references[0] if len(references) == 1 else {"anyOf": references}
    return {"$schema": DIALECT, "title": title, **body, "$defs": dict(sorted(defined.items()))}


def _schema(kind: Any, defined: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of a type; those of dataclasses and typed dicts are added to ``defined``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in TYPES:
        return {"type": TYPES[kind]}
    if is_dataclass(kind) or is_typeddict(kind):
        if kind.__name__ not in defined:
            defined[kind.__name__] = {}  # so that a type may hold itself
            defined[kind.__name__] = _object(kind, defined)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(each, defined) for each in arguments]}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], defined)}
    if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        return {"type": "array", "items": _schema(arguments[0], defined)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_schema(each, defined) for each in arguments],
            "minItems": len(arguments),
            "maxItems": len(arguments),
        }
    if kind is Any:
        return {}
    raise TypeError(f"{kind}: no JSON Schema is known for this type")


def _object(kind: type, defined: dict[str, dict[str, Any]]) -> dict[str, Any]:
    described = _field_docs(kind.__module__)[kind.__name__]
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {
            name: {**_schema(hint, defined), "description": described[name]}
            for name, hint in hints.items()
        },
        "required": list(hints),
    }


@cache
def _field_docs(module: str) -> dict[str, dict[str, str]]:
    """The string below each field, by class and field, with those of the classes that it extends."""
    docs_by_class: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if not isinstance(node, ast.ClassDef):
            continue
        docs: dict[str, str] = {}
        for base in node.bases:
            docs |= docs_by_class.get(ast.unparse(base), {})
        for field, below in pairwise(node.body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                docs[ast.unparse(field.target)] = " ".join(ast.literal_eval(below.value).split())
        docs_by_class[node.name] = docs
    return docs_by_class


if __name__ == "__main__":
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        Path(sys.argv[1], name).write_text(text, encoding="utf-8")
