import { stderr, stdout } from "node:process";

/** Prints what is done and how long it took; the first thing that doesn't hold ends the story. */
export class Story {
  readonly #startedMs = performance.now();
  #held = 0;

  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    stdout.write(`\n${bold(title)}\n`);
    const result = await work();
    stdout.write(`  ${dim(`${((performance.now() - startedMs) / 1000).toFixed(1)} s`)}\n`);
    return result;
  }

  say(line: string): void {
    stdout.write(`  ${line}\n`);
  }

  /** Something that has to be so. Throws `DoesNotHold` when it isn't. */
  holds(condition: boolean, claim: string, otherwise = ""): void {
    if (!condition) throw new DoesNotHold(`${claim} — but it does not hold. ${otherwise}`);
    this.#held += 1;
    stdout.write(`  ${green("✓")} ${claim}\n`);
  }

  end(): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    stdout.write(`\n${bold(`All ${this.#held} claims held, in ${seconds} s.`)}\n`);
  }

  fail(error: unknown): void {
    const reason = error instanceof DoesNotHold ? error.message : String((error as Error).stack);
    stderr.write(`\n${red("✗")} ${reason}\n`);
  }
}

export class DoesNotHold extends Error {
  override readonly name = "DoesNotHold";
}

const coloured = stdout.isTTY;
const paint = (code: number) => (text: string) =>
  coloured ? `\u001b[${code}m${text}\u001b[0m` : text;
const bold = paint(1);
const dim = paint(2);
const red = paint(31);
const green = paint(32);
