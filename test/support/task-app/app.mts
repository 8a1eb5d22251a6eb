// Runs in a test's container: evaluates the functions that are posted to it, until it is asked to
// stop. APP_PORT lets several of them share one task's network.
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

const server = createServer((request, response) => {
  evaluate(request).then(
    (value) => response.end(JSON.stringify({ value })),
    (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
  );
});

async function evaluate(request: IncomingMessage): Promise<unknown> {
  const { source, values } = JSON.parse(await text(request)) as Evaluation;
  const module = `export const run = ${source};`;
  const url = `data:text/javascript,${encodeURIComponent(module)}`;
  const { run } = (await import(url)) as { run: (...values: unknown[]) => unknown };
  return run(...values);
}

interface Evaluation {
  readonly source: string;
  readonly values: readonly unknown[];
}

process.once("SIGTERM", () => process.exit(0));
server.listen(Number(process.env["APP_PORT"] ?? 8080));
