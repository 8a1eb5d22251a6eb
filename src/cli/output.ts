/** What commands print through: data on stdout, progress and warnings on stderr. */
export interface Output {
  readonly json: boolean;
  /** One value as JSON with --json, else the lines of `text`. */
  data(value: unknown, text: () => readonly string[]): void;
  /** A step that was done; not printed with --json. */
  step(message: string): void;
  warn(message: string): void;
}

export function consoleOutput(json: boolean): Output {
  return {
    json,
    data: (value, text) => {
      const lines = json ? [JSON.stringify(value, null, 2)] : text();
      for (const line of lines) process.stdout.write(`${line}\n`);
    },
    step: (message) => {
      if (!json) process.stderr.write(`${message}\n`);
    },
    warn: (message) => process.stderr.write(`warning: ${message}\n`),
  };
}

/** Columns padded to their widest cell; the first row is the heading. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
