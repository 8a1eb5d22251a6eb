import type { Command } from "commander";

import { Api } from "./api.ts";
import { consoleOutput, type Output } from "./output.ts";
import { sessionFromEnvironment, type Session } from "./session.ts";

/** What every command gets besides its own arguments. */
export class CommandContext {
  readonly output: Output;
  readonly #dataDirectory: string;
  readonly #environment: NodeJS.ProcessEnv;
  #api: Api | undefined;

  constructor(command: Command, environment: NodeJS.ProcessEnv) {
    const options = command.optsWithGlobals<{ data: string; json?: boolean }>();
    this.#dataDirectory = options.data;
    this.#environment = environment;
    this.output = consoleOutput(options.json ?? false);
  }

  get session(): Session {
    return sessionFromEnvironment(this.#dataDirectory, this.#environment);
  }

  get api(): Api {
    this.#api ??= new Api(this.session);
    return this.#api;
  }
}
