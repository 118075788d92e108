// npm cloudevents publishes in every mode and reads the subscription.
import { CloudEvent, HTTP } from "cloudevents";
import { Checks, Gateway } from "./node.mjs";

process.env.INTEROP_TOKEN = "a token of the checkout";
const gateway = await Gateway.start(`
subsystem: interop
services:
  checkout: { token: "\${env:INTEROP_TOKEN}", publish: [order.*], subscribe: { all: [order.*] } }
`);
const checks = new Checks();
const authorization = `Bearer ${process.env.INTEROP_TOKEN}`;
const event = (id, data) => new CloudEvent({ id, source: "/checkout", type: "order.created", subject: `order/${id}`, partitionkey: "c-1", data });
const publish = ({ headers, body }) =>
  gateway.post("/v1/events", { ...headers, authorization }, typeof body === "string" ? body : JSON.stringify(body));
const BATCH = { "content-type": "application/cloudevents-batch+json" };

const events = ["1", "2", "3", "4"].map((id) => event(id, { order: id, note: "Jörg 漢字" }));
const answers = [
  await publish(HTTP.binary(events[0])),
  await publish(HTTP.structured(events[1])),
  await publish({ headers: BATCH, body: `[${HTTP.structured(events[2]).body},${HTTP.structured(events[3]).body}]` }),
];
checks.check(answers.every(({ status }) => status === 200), "publish", answers);
const again = await publish(HTTP.binary(events[0]));
checks.check(again.repeat === true && again.id === answers[0].id, "repeat", again);
const ids = [answers[0].id, answers[1].id, ...answers[2].events.map(({ id }) => id)];

const read = async (query = "") => {
  const answer = await fetch(`${gateway.url}/v1/subscriptions/all${query}`, { headers: { authorization } });
  const headers = Object.fromEntries(answer.headers);
  const body = await answer.text();
  return { cursor: headers["tidegate-cursor"], events: JSON.parse(body).length ? HTTP.toEvent({ headers, body }) : [] };
};
const first = await read("?limit=3");
const all = [...first.events, ...(await read(`?after=${encodeURIComponent(first.cursor)}`)).events];
checks.check(all.length === 4, "all events are read", all);
for (const [index, got] of all.entries()) {
  const meant = events[index];
  const same = got.id === ids[index] && got.type === meant.type && got.subject === meant.subject && got.source === meant.source;
  checks.check(same && got.partitionkey === "c-1" && got.data.note === meant.data.note, "event", index, got);
}
checks.check((await read()).events.length === 4, "what was not acknowledged comes again");
const put = await fetch(`${gateway.url}/v1/subscriptions/all/cursor`, { method: "PUT", headers: { authorization }, body: first.cursor });
checks.check(put.status === 200, "acknowledge", put.status);
await gateway.crash();
const rest = await read();
checks.check(rest.events.length === 1 && rest.events[0].id === ids[3], "after the crash it goes on behind the cursor", rest);
const waiting = read(`?wait=20&after=${encodeURIComponent(rest.cursor)}`);
await publish(HTTP.structured(event("5", { order: "5" })));
checks.check((await waiting).events[0]?.data.order === "5", "a waiting reader is woken");
await gateway.stop();
checks.close();
