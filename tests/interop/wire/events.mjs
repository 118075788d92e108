// The events that go both ways, and what the two directions share.
import { readFileSync } from "node:fs";
import { base64 } from "./bodies.mjs";

export const EVENTS = JSON.parse(readFileSync(new URL("./events.json", import.meta.url))).map(
  ({ attributes, data }) => ({ attributes, data_base64: data.base64 ?? base64(data.text) }),
);

export const isJson = ({ attributes }) => attributes.datacontenttype === "application/json";
export const bytes = ({ data_base64 }) => Buffer.from(data_base64, "base64");

/** Requests to make: each event alone in two modes, all together in the third. */
export const requests = (library) => [
  ...EVENTS.map((event) => ({ library, mode: "binary", events: [event] })),
  ...EVENTS.map((event) => ({ library, mode: "structured", events: [event] })),
  { library, mode: "batch", events: EVENTS },
];
