// Bodies that are signed: plain, in several scripts, with escapes, and longer than a hash block.
export const BODIES = [
  '{"test": 2432232314}',
  '{"name":"Jörg \u{1F30A} 漢字","path":"C:\\\\temp\\n"}',
  JSON.stringify({ items: Array.from({ length: 200 }, (_, n) => ({ n, text: `item ${n}` })) }),
];

export const base64 = (bytes) => Buffer.from(bytes).toString("base64");

export const emit = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Reads the JSON lines of standard input. */
export async function* lines() {
  const { createInterface } = await import("node:readline");
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
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
