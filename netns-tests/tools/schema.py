#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Validates state files against a JSON Schema, as an editor does.

    schema.py SCHEMA FILE...

Prints a line for each fault, FILE: PLACE: MESSAGE. Exit status 1 if there was one, 2 if the schema itself is none.
"""
import json
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2, which editors read: off is a word there, and 1:30 no number."""


Loader.yaml_implicit_resolvers = {}
Loader.yaml_constructors = dict(yaml.SafeLoader.yaml_constructors)
for tag, pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)


def make_int(_, node):
    base = {"0x": 16, "0o": 8}.get(node.value[:2], 10)
    return int(node.value, base)


Loader.add_constructor("tag:yaml.org,2002:int", make_int)


def with_text_keys(value):
    """Keys are texts for a schema, whatever they look like."""
    if isinstance(value, dict):
        return {str(key): with_text_keys(member) for key, member in value.items()}
    if isinstance(value, list):
        return [with_text_keys(item) for item in value]
    return value


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    try:
        jsonschema.Draft7Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        print(f"{sys.argv[1]}: {error.message}")
        return 2
    validator = jsonschema.Draft7Validator(schema)
    status = 0
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8-sig") as file:
            state = with_text_keys(yaml.load(file, Loader))
        for error in validator.iter_errors(state):
            place = "/".join(str(step) for step in error.absolute_path)
            print(f"{name}: {place}: {error.message[:300]}")
            status = 1
    return status


sys.exit(main())
