// Runs a TypeScript tool of this project on a machine that may have an old Node and none of our
// dependencies: brings a new enough Node (the npm package that carries its binary) and installs
// what package-lock.json pins, then hands over. Plain JavaScript: an old Node has to read it.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const toolchain = path.join(root, ".toolchain");
const nodeMajorNeeded = 24;
const nodeVersionBrought = "26.10.0";

const fail = (message) => {
  console.error(`mooring: ${message}`);
  process.exit(1);
};

const npm = (args, cwd) => {
  const done = spawnSync("npm", args, {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (done.error)
    fail(`npm could not be started (${done.error.message}); install npm and try again`);
  if (done.status !== 0) fail(`npm ${args.join(" ")} failed:\n${done.stderr}`);
};

/** The path of a Node that is new enough; installs one below .toolchain when this one is not. */
export const nodeNewEnough = () => {
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorNeeded) return process.execPath;
  const packageName = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const home = path.join(toolchain, `node-${nodeVersionBrought}`);
  const binary = path.join(home, "node_modules", packageName, "bin", "node");
  if (existsSync(binary)) return binary;
  console.error(
    `mooring: Node ${process.versions.node} is too old, bringing ${nodeVersionBrought} from npm`,
  );
  const staging = `${home}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  writeFileSync(path.join(staging, "package.json"), '{"private":true}\n');
  npm(["install", "--no-audit", "--no-fund", `${packageName}@${nodeVersionBrought}`], staging);
  rmSync(home, { recursive: true, force: true });
  renameSync(staging, home);
  return binary;
};

const installDependencies = () => {
  const lock = readFileSync(path.join(root, "package-lock.json"));
  const wanted = createHash("sha256").update(lock).digest("hex");
  const stamp = path.join(root, "node_modules", ".mooring-installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("mooring: installing the dependencies that package-lock.json pins");
  npm(["ci", "--no-audit", "--no-fund"], root);
  writeFileSync(stamp, wanted);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [tool, ...args] = process.argv.slice(2);
  if (tool === undefined) fail("usage: node tools/bootstrap.mjs TOOL.ts [ARGUMENT...]");
  installDependencies();
  const node = nodeNewEnough();
  const searchPath = [
    path.dirname(node),
    path.join(root, "node_modules", ".bin"),
    process.env.PATH,
  ];
  const ran = spawnSync(node, [path.join(root, tool), ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: searchPath.join(path.delimiter) },
  });
  if (ran.error) fail(`${node} could not be started: ${ran.error.message}`);
  process.exit(ran.status ?? 1);
}
