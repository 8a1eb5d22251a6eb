// The moor command. `moor up` composes all rooms (instance/) and `moor fs` opens file systems
// itself; everything else uses the public API.
import { createRequire } from "node:module";
import process from "node:process";

import { createProgram } from "./cli/program.ts";
import { UserError } from "./cli/user-error.ts";

const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

const program = createProgram(
  {
    up: async (options) => {
      const { runInstance } = await import("./instance/run-instance.ts");
      await runInstance(options, process.argv[1]!);
    },
    checkFileSystems: async (options, say) => {
      const module = await import("./instance/check-file-systems.ts");
      return module.checkFileSystems(options, say);
    },
  },
  version,
  process.env,
);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`moor: ${describe(error)}\n`);
  // A start that failed half-way may leave mount targets that listen.
  process.exit(error instanceof UserError ? error.exitCode : 1);
}

/** One line for what the user or the API's answer explains; the stack for what nobody expected. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof UserError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") {
    return `${error.message}: nothing answers there; is \`moor up\` running?`;
  }
  if (code === "EADDRINUSE") {
    return `${error.message}; end what listens there, or choose another address with --listen.`;
  }
  if ("$metadata" in error) return `${error.name}: ${error.message}`;
  return error.stack ?? error.message;
}
