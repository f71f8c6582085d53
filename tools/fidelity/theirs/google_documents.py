"""Compare requests and responses with the discovery documents of google-api-python-client.

Runs in a separate environment: exchanges as JSON in, a report as JSON out.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

APIS = (("sheets", "v4"), ("drive", "v3"))
_OK = 200
#: The Python types of JSON schema's types.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_MASK_PART = re.compile(r"[\w*]+|[,()/]")


@dataclass(frozen=True)
class Method:
    """A method of a document.

    Attributes:
        document: The discovery document that has the method.
        about: The definition of the method in that document.
        pattern: The path as a regular expression.
    """

    document: dict[str, Any]
    about: dict[str, Any]
    pattern: re.Pattern[str]


def methods_of(document: dict[str, Any]) -> Iterator[Method]:
    """All methods of a document, of nested resources too."""
    base = "/" + document["servicePath"]
    resources = [document]
    while resources:
        resource = resources.pop()
        resources += resource.get("resources", {}).values()
        for about in resource.get("methods", {}).values():
            path = about.get("flatPath") or about["path"]
            parts = re.split(r"\{\+?(\w+)\}", path)
            pattern = "".join(
                f"(?P<{part}>[^/:]+)" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
            # The last part of a path may hold colons, as a range does.
            pattern = re.sub(r"\[\^/:\]\+\)$", "[^/]+)", pattern)
            yield Method(document, about, re.compile(re.escape(base) + pattern))


def find(methods: list[Method], verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The method of a request, and its path's parameters; prefers the longest fixed path."""
    matches = [
        (method, match.groupdict())
        for method in methods
        if method.about["httpMethod"] == verb and (match := method.pattern.fullmatch(path))
    ]
    return min(matches, key=lambda pair: sum(map(len, pair[1].values())), default=None)


def request_differences(
    exchange: dict[str, Any], method: Method, path: dict[str, str]
) -> list[str]:
    """List how a request differs from the definition of its method."""
    known = method.document["parameters"] | method.about.get("parameters", {})
    pairs = parse_qsl(exchange["query"], keep_blank_values=True, strict_parsing=False)
    pairs += [(name, unquote(value)) for name, value in path.items()]
    names = [name for name, _ in pairs]
    differences = [
        problem for name, value in pairs for problem in parameter_problems(known, name, value)
    ]
    differences += [
        f"parameter {name} is repeated"
        for name in sorted({*names})
        if names.count(name) > 1 and not known.get(name, {}).get("repeated")
    ]
    differences += [
        f"required parameter {name} is missing"
        for name, about in known.items()
        if about.get("required") and name not in names
    ]
    mask = dict(pairs).get("fields")
    if mask:
        differences += mask_problems(method, mask)
    return differences


def parameter_problems(known: dict[str, Any], name: str, value: str) -> list[str]:
    """List the problems of a parameter: unknown, or an invalid value."""
    about = known.get(name)
    if about is None:
        return [f"unknown parameter {name}"]
    if "enum" in about and value not in about["enum"]:
        return [f"parameter {name}: {value!r} is not one of {about['enum']}"]
    if about["type"] == "boolean" and value not in {"true", "false"}:
        return [f"parameter {name}: {value!r} is not a boolean"]
    if about["type"] == "integer" and not re.fullmatch(r"-?\d+", value):
        return [f"parameter {name}: {value!r} is not an integer"]
    if "pattern" in about and not re.fullmatch(about["pattern"], value):
        return [f"parameter {name}: {value!r} does not match {about['pattern']}"]
    return []


def mask_problems(method: Method, mask: str) -> list[str]:
    """List the fields of a mask that the response does not have."""
    schemas, problems = method.document["schemas"], []
    top = method.about["response"]
    # The message of each open bracket, the message of the next name, and the last field read.
    stack, current, last = [top], top, top
    for part in _MASK_PART.findall(mask):
        if part == "(":
            stack.append(last)
            current = last
        elif part == ")":
            stack.pop()
            current = stack[-1]
        elif part == ",":
            current = stack[-1]
        elif part == "/":
            current = last
        else:
            last = field_of(schemas, current, part)
            if last is None:
                problems.append(f"field mask {mask}: unknown field {part}")
                return problems
    return problems


def resolve(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a schema's reference, if it is one."""
    return schemas[schema["$ref"]] if "$ref" in schema else schema


def field_of(schemas: dict[str, Any], schema: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The schema of a field of an object, or of a list of objects."""
    schema = resolve(schemas, schema)
    while schema.get("type") == "array":
        schema = resolve(schemas, schema["items"])
    if name == "*":
        return schema
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return properties.get(name)


def value_problems(
    schemas: dict[str, Any], schema: dict[str, Any], value: Any, place: str
) -> Iterator[str]:
    """Yield unknown fields and wrong types of a response."""
    schema = resolve(schemas, schema)
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if not _is(kind, value):
        yield f"{place}: {type(value).__name__}, not {kind}"
    elif kind == "array":
        for item in value:
            yield from value_problems(schemas, schema["items"], item, f"{place}[]")
    elif kind == "object":
        yield from object_problems(schemas, schema, value, place)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not one of {schema['enum']}"
    elif schema.get("format") in {"int64", "uint64"} and not re.fullmatch(r"-?\d+", str(value)):
        yield f"{place}: {value!r} is not an integer"


def _is(kind: str, value: Any) -> bool:
    """Whether a value has a type of JSON schema; in Python a boolean is an integer as well."""
    return isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)


def object_problems(
    schemas: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], place: str
) -> Iterator[str]:
    """Yield the unknown fields of an object, and the problems of its known ones."""
    for name, part in value.items():
        about = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if about is None:
            yield f"{place}: unknown field {name}"
        else:
            yield from value_problems(schemas, about, part, f"{place}.{name}")


def main() -> None:
    """Read exchanges and print the report."""
    # Imported here because the project's own environment, where tests run, does not have it.
    from googleapiclient.discovery_cache import get_static_doc  # noqa: PLC0415

    documents = [json.loads(get_static_doc(*api)) for api in APIS]
    methods = [method for document in documents for method in methods_of(document)]
    differences, answers = {}, 0
    exchanges = json.load(sys.stdin)
    for exchange in exchanges:
        match = find(methods, exchange["method"], exchange["path"])
        if match is None:
            differences[f"{exchange['method']} {exchange['path']}: no such method"] = True
            continue
        method, path = match
        problems = request_differences(exchange, method, path)
        if exchange["status"] == _OK:
            answers += 1
            schemas, response = method.document["schemas"], method.about["response"]
            answer = json.loads(exchange["answer"])
            problems += value_problems(schemas, response, answer, response["$ref"])
        differences |= {f"{method.about['id']}: {problem}": True for problem in problems}
    report = {
        "documents": ", ".join(
            f"{document['id']} {document['revision']}" for document in documents
        ),
        "requests": len(exchanges),
        "answers": answers,
        "differences": [*differences],
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
