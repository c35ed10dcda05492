"""Lets schemathesis send NDJSON; each generated body is one line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def ndjson(ctx, value):
    return json.dumps(value).encode()
