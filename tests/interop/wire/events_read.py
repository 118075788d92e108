"""Reads with PyPI cloudevents what we wrote, and compares."""

import base64
import json
from datetime import datetime

from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat

from common import Checks, lines

FORMAT = JSONFormat()
STRUCTURED = {"content-type": "application/cloudevents+json"}


def same_attributes(meant, read):
    for name, value in meant.items():
        got = read[name]
        if isinstance(got, datetime):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if got != value:
            return False
    return True


def same_data(meant, read):
    raw = base64.b64decode(meant["data_base64"])
    if meant["attributes"]["datacontenttype"] == "application/json":
        return read == json.loads(raw)
    return (read.encode() if isinstance(read, str) else read) == raw


checks = Checks()
for line in lines():
    body = base64.b64decode(line["body_base64"])
    if line["mode"] == "binary":
        read = [from_binary(HTTPMessage(line["headers"], body), FORMAT)]
    elif line["mode"] == "structured":
        read = [from_structured(HTTPMessage(line["headers"], body), FORMAT)]
    else:
        # The library knows no batches: each element is an event of its own.
        parts = [json.dumps(part).encode() for part in json.loads(body)]
        read = [from_structured(HTTPMessage(STRUCTURED, part), FORMAT) for part in parts]
    checks.check(len(read) == len(line["events"]), line["mode"], "count", len(read))
    for meant, event in zip(line["events"], read):
        attributes = event.get_attributes()
        checks.check(same_attributes(meant["attributes"], attributes), line["mode"], attributes)
        checks.check(same_data(meant, event.get_data()), line["mode"], event.get_data())
checks.close()
