// Every payload of @octokit/webhooks-examples, signed by @octokit/webhooks-methods: received, mapped,
// kept byte for byte, and still there after the process was killed.
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { sign } from "@octokit/webhooks-methods";
import { Checks, Gateway } from "./node.mjs";

const SECRET = "It's a Secret to Everybody";
const HOSTS = ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"];
/** Webhooks between two crashes. */
const CRASH_EVERY = 250;

const require = createRequire(import.meta.url);
const payloads = HOSTS.flatMap((host) => require(`@octokit/webhooks-examples/${host}/index.json`)).flatMap(
  ({ name, examples }) => examples.map((example) => ({ name, example })),
);

process.env.INTEROP_SECRET = SECRET;
const gateway = await Gateway.start(`
subsystem: interop
systems: { github: {} }
flows:
  github:
    system: github
    receive: { path: /in/github, verify: { scheme: github, secret: "\${env:INTEROP_SECRET}" } }
    event:
      id: '.headers["x-github-delivery"]'
      type: '"github." + .headers["x-github-event"]'
      key: .body.repository.full_name
      data: '{ action: .body.action, sender: .body.sender.login }'
`);
const checks = new Checks();
const sent = [];

async function send({ name, body, delivery }) {
  const headers = {
    "content-type": "application/json",
    "x-github-event": name,
    "x-github-delivery": delivery,
    "x-hub-signature-256": await sign(SECRET, body),
  };
  return gateway.post("/in/github", headers, body);
}

for (const [index, { name, example }] of payloads.entries()) {
  // GitHub indents nothing; every third one is indented here, so that bytes and values differ.
  const body = JSON.stringify(example, null, index % 3 === 0 ? 2 : 0);
  const webhook = { name, example, body, delivery: randomUUID() };
  const answer = await send(webhook);
  checks.check(answer.status === 200 && answer.id, name, answer);
  sent.push({ ...webhook, id: answer.id });
  if (index % CRASH_EVERY === CRASH_EVERY - 1) await gateway.crash();
}
await gateway.crash();

for (const { name, example, body, id } of sent) {
  const event = await gateway.event(id);
  const same =
    event?.raw?.body === body &&
    event.type === `github.${name}` &&
    (event.key ?? "") === (example.repository?.full_name ?? "") &&
    event.data.action === (example.action ?? null) &&
    event.data.sender === (example.sender?.login ?? null);
  checks.check(same, name, id, event);
}
for (const webhook of sent) {
  const answer = await send(webhook);
  checks.check(answer.status === 200 && answer.repeat === true && answer.id === webhook.id, webhook.name, answer);
}
const status = await (await fetch(`${gateway.admin}/api/v1/status`)).json();
checks.check(status.flows.find(({ flow }) => flow === "github").kept === 0, "repeats were kept", status.flows);
await gateway.stop();
checks.close();
