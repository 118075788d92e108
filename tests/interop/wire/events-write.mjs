// Writes events with npm cloudevents, in every mode it has.
import { CloudEvent, HTTP } from "cloudevents";
import { base64, emit } from "./bodies.mjs";
import { bytes, isJson, requests } from "./events.mjs";

function theirs(event) {
  const raw = bytes(event);
  const { datacontenttype } = event.attributes;
  const text = datacontenttype.startsWith("text/");
  const data = isJson(event) ? JSON.parse(raw) : text ? raw.toString() : new Uint8Array(raw);
  return new CloudEvent({ ...event.attributes, data });
}

/** The library writes header values as they are, though the specification has it escape quotation marks. */
const writable = ({ mode, events }) =>
  mode !== "binary" || !Object.values(events[0].attributes).some((value) => value.includes('"'));

for (const request of requests("npm cloudevents").filter(writable)) {
  const messages = request.events.map((event) =>
    request.mode === "binary" ? HTTP.binary(theirs(event)) : HTTP.structured(theirs(event)),
  );
  // The library adds the current time where an event has none.
  const events = request.events.map((event, index) => {
    const time = event.attributes.time ?? theirTime(messages[index]);
    return { ...event, attributes: { ...event.attributes, time } };
  });
  const message =
    request.mode === "batch"
      ? {
          headers: { "content-type": "application/cloudevents-batch+json" },
          body: `[${messages.map(({ body }) => body).join(",")}]`,
        }
      : messages[0];
  emit({ ...request, events, headers: message.headers, body_base64: base64(message.body) });
}

function theirTime({ headers, body }) {
  return headers["ce-time"] ?? JSON.parse(body).time;
}
