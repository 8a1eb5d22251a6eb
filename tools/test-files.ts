import { globSync, readFileSync } from "node:fs";

/** Unit tests stand beside their sources; those of the tools and of the architecture count too. */
export function unitTestFiles(): string[] {
  return globSync(["src/**/*.test.ts", "tools/**/*.test.ts", "test/architecture/*.test.ts"]).sort();
}

/** Whole-system tests: each file starts what it needs and stops it again. */
export function systemTestFiles(): string[] {
  return globSync("test/**/*.test.ts", { exclude: ["test/architecture/**"] }).sort();
}

/** Tests of any kind that do more of what they do where MOORING_LONG is set. */
export function longTestFiles(): string[] {
  return [...unitTestFiles(), ...systemTestFiles()].filter((file) =>
    readFileSync(file, "utf8").includes('process.env["MOORING_LONG"]'),
  );
}
