"""Writes events with PyPI cloudevents, in every mode it has."""

import base64
import json
from datetime import datetime
from pathlib import Path

from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from common import emit, encode

FORMAT = JSONFormat()


def theirs(attributes, data):
    """The library's event, and its data as bytes."""
    attributes = dict(attributes)
    if "time" in attributes:
        attributes["time"] = datetime.fromisoformat(attributes["time"].replace("Z", "+00:00"))
    if "base64" in data:
        raw = base64.b64decode(data["base64"])
        return CloudEvent(attributes, raw), raw
    is_json = attributes["datacontenttype"] == "application/json"
    value = json.loads(data["text"]) if is_json else data["text"]
    return CloudEvent(attributes, value), data["text"].encode()


def text_of(value):
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


plain, messages = [], []
for source in json.loads(Path(__file__).with_name("events.json").read_text()):
    event, raw = theirs(source["attributes"], source["data"])
    # The library may add attributes such as the current time; what it says is what we must read.
    attributes = {name: text_of(value) for name, value in event.get_attributes().items()}
    described = {"attributes": attributes, "data_base64": encode(raw)}
    for mode, write in (("binary", to_binary), ("structured", to_structured)):
        message = write(event, FORMAT)
        emit(
            {
                "library": "PyPI cloudevents",
                "mode": mode,
                "events": [described],
                "headers": message.headers,
                "body_base64": encode(message.body),
            }
        )
    plain.append(described)
    messages.append(message.body)

emit(
    {
        "library": "PyPI cloudevents",
        "mode": "batch",
        "events": plain,
        "headers": {"content-type": "application/cloudevents-batch+json"},
        "body_base64": encode(b"[" + b",".join(messages) + b"]"),
    }
)
