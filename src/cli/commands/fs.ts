import { Command } from "commander";

import { CommandContext } from "../context.ts";

export interface FsCheckOptions {
  /** The data directory. */
  readonly data: string;
  /** All of the data directory where none is named. */
  readonly fileSystemIds: readonly string[];
  readonly repair: boolean;
}

export interface FsCheckResult {
  readonly fileSystemId: string;
  readonly problems: readonly FsProblem[];
}

export interface FsProblem {
  readonly problem: string;
  readonly repaired: boolean;
}

/** Checks file systems that no `moor up` has open; `say` is for how far a long check is. */
export type FsCheckHandler = (
  options: FsCheckOptions,
  say: (progress: string) => void,
) => Promise<readonly FsCheckResult[]>;

/** What is done with file systems themselves; like `up` it is handed in. */
export function fsCommand(check: FsCheckHandler, environment: NodeJS.ProcessEnv): Command {
  const checkCommand = new Command("check")
    .description("look for what is wrong with file systems, while no `moor up` uses them")
    .argument("[fs-id...]", "the file systems; all of them where none is named")
    .option("--repair", "repair what can be")
    .showHelpAfterError("(moor fs check --help says more)")
    .action(async (fileSystemIds: string[], flags: { repair?: true }, command: Command) => {
      const { output } = new CommandContext(command, environment);
      const { data } = command.optsWithGlobals<{ data: string }>();
      const repair = flags.repair ?? false;
      const options = { data, fileSystemIds, repair };
      const results = await check(options, (progress) => output.step(progress));
      output.data(results, () => results.flatMap(linesOf));
      if (results.every(isSound)) return;
      process.exitCode = 1;
      if (!repair) output.step("`moor fs check --repair` repairs what can be.");
    });
  return new Command("fs").description("check and repair file systems").addCommand(checkCommand);
}

function isSound({ problems }: FsCheckResult): boolean {
  return problems.every(({ repaired }) => repaired);
}

function linesOf({ fileSystemId, problems }: FsCheckResult): string[] {
  if (problems.length === 0) return [`${fileSystemId}: sound`];
  return problems.map(
    ({ problem, repaired }) => `${fileSystemId}: ${problem}${repaired ? " (repaired)" : ""}`,
  );
}
