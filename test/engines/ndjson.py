"""Lets schemathesis send NDJSON; each generated body is one line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def ndjson(ctx, value):
    return json.dumps(value).encode()


@schemathesis.hook
def filter_case(ctx, case):
    """With invalid=dead-letter, what violates the schema is kept, and the answer is 200."""
    return (case.query or {}).get("invalid") != "dead-letter"
