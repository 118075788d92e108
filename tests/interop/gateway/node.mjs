// A running gateway, for the scripts beside this one. They get the program's path from cargo, which
// writes what it has built as JSON lines to their standard input.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const START_MS = 30_000;

async function program() {
  let found;
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    if (message.target?.name === "tidegate" && message.executable) found = message.executable;
  }
  if (!found) throw new Error("cargo did not say where the program is");
  return found;
}

/** A gateway in a folder of its own, with `config` (YAML without `listen` and `data`). */
export class Gateway {
  static async start(config) {
    const gateway = new Gateway();
    gateway.program = await program();
    gateway.folder = await mkdtemp(join(tmpdir(), "tidegate-interop-"));
    const whole = `${config}
listen: { public: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: ${gateway.folder}/data
logging: { format: json }
`;
    await writeFile(join(gateway.folder, "tidegate.yaml"), whole);
    await gateway.run();
    return gateway;
  }

  async run() {
    const file = join(this.folder, "tidegate.yaml");
    this.child = spawn(this.program, ["run", "--config", file], { stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((done) => this.child.on("exit", done));
    const said = [];
    const ready = new Promise((done) => {
      for (const stream of [this.child.stdout, this.child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          said.push(line);
          const address = /"listener.public":"([^"]+)"/.exec(line)?.[1];
          if (address) done({ address, admin: /"listener.admin":"([^"]+)"/.exec(line)[1] });
        });
      }
    });
    const late = new Promise((_, fail) => {
      setTimeout(() => fail(new Error(`not ready: ${said.join("\n")}`)), START_MS).unref();
    });
    const { address, admin } = await Promise.race([ready, late]);
    this.url = `http://${address}`;
    this.admin = `http://${admin}`;
  }

  /** Ends it without a word of warning and starts it again on the same data. */
  async crash() {
    this.child.kill("SIGKILL");
    await this.exited;
    await this.run();
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.exited;
    await rm(this.folder, { recursive: true });
  }

  async post(path, headers, body) {
    const answer = await fetch(this.url + path, { method: "POST", headers, body });
    return { status: answer.status, ...(await answer.json()) };
  }

  async event(id) {
    const answer = await fetch(`${this.admin}/api/v1/events/${id}`);
    return answer.ok ? answer.json() : undefined;
  }
}

/** Says at the end how many checks passed, in the words of Rust's test programs. */
export class Checks {
  passed = 0;
  failed = 0;

  check(good, ...what) {
    if (good) this.passed += 1;
    else {
      this.failed += 1;
      console.log("failed:", ...what);
    }
  }

  close() {
    const good = this.failed === 0 && this.passed > 0;
    console.log(
      `test result: ${good ? "ok" : "FAILED"}. ${this.passed} passed; ${this.failed} failed; 0 ignored`,
    );
    process.exitCode = good ? 0 : 1;
  }
}
