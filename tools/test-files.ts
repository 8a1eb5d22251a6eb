import { globSync } from "node:fs";

/** Unit tests stand beside their sources; those of the tools and of the architecture count too. */
export function unitTestFiles(): string[] {
  return globSync(["src/**/*.test.ts", "tools/**/*.test.ts", "test/architecture/*.test.ts"]).sort();
}

/** Whole-system tests: each file starts what it needs and stops it again. */
export function systemTestFiles(): string[] {
  return globSync("test/**/*.test.ts", { exclude: ["test/architecture/**"] }).sort();
}
