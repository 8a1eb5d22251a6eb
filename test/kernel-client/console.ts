const tailLines = 30;

/** What a guest writes to its console: the kernel's words, and JSON from the program that it runs. */
export class GuestConsole {
  readonly #lines: string[] = [];

  /** The last of it. */
  get tail(): string {
    return this.#lines.slice(-tailLines).join("\n");
  }

  /** Takes a line; gives what the program says in it, undefined where it isn't the program's. */
  hear(line: string): unknown {
    this.#lines.push(line);
    const [, json] = line.split("@@");
    return json === undefined ? undefined : JSON.parse(json);
  }

  /** Adds what the host has to say. */
  note(text: string): void {
    this.#lines.push(text);
  }
}
