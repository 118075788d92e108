// Reads with npm cloudevents what we wrote, and compares.
import { isDeepStrictEqual } from "node:util";
import { HTTP } from "cloudevents";
import { Checks, lines } from "./bodies.mjs";
import { bytes, isJson } from "./events.mjs";

function sameData(event, read) {
  const raw = bytes(event);
  if (isJson(event)) return isDeepStrictEqual(read.data, JSON.parse(raw));
  return Buffer.compare(Buffer.from(read.data ?? Buffer.from(read.data_base64, "base64")), raw) === 0;
}

function sameAttributes({ attributes }, read) {
  return Object.entries(attributes).every(([name, value]) =>
    name === "time" ? Date.parse(read[name]) === Date.parse(value) : read[name] === value,
  );
}

/** The library reads header values as they are, though the specification has it decode their escapes. */
const unescaped = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, decodeURIComponent(value)]));

const checks = new Checks();
for await (const { mode, events, headers, body_base64 } of lines()) {
  const body = Buffer.from(body_base64, "base64");
  const isText = mode !== "binary" || !headers["content-type"].includes("octet-stream");
  const read = [HTTP.toEvent({ headers: unescaped(headers), body: isText ? body.toString() : body })].flat();
  checks.check(read.length === events.length, mode, "count", read.length);
  events.forEach((event, index) => {
    checks.check(read[index].validate(), mode, event.attributes.id, "is valid");
    checks.check(sameAttributes(event, read[index]), mode, event.attributes, read[index]);
    checks.check(sameData(event, read[index]), mode, event.attributes.id, read[index].data);
  });
}
checks.close();
