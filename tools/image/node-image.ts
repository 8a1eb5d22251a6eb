import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";

const run = promisify(execFile);

export interface NodeImage {
  /** The exact name a task definition asks for, e.g. an ECR name with its tag. */
  readonly name: string;
  /** Copied to /app, with its node_modules. */
  readonly application: string;
  /** Arguments of node, below /app. */
  readonly command: readonly string[];
}

/**
 * Makes an image without a registry: the machine's own Node binary, the libraries that it is
 * linked with, and an application. Nothing else is in it, no shell either.
 */
export async function importNodeImage(docker: Docker, image: NodeImage): Promise<void> {
  const tree = await mkdtemp(path.join(tmpdir(), "mooring-image-"));
  try {
    await copyBinary(tree, process.execPath, "/usr/local/bin/node");
    await cp(image.application, path.join(tree, "app"), { recursive: true });
    await mkdir(path.join(tree, "tmp"), { recursive: true, mode: 0o1777 });
    await mkdir(path.join(tree, "etc"), { recursive: true });
    await writeFile(path.join(tree, "etc/passwd"), "root:x:0:0:root:/root:/sbin/nologin\n");
    await writeFile(path.join(tree, "etc/group"), "root:x:0:\n");
    await importTree(docker, tree, image);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

async function importTree(docker: Docker, tree: string, image: NodeImage): Promise<void> {
  const tag = image.name.lastIndexOf(":");
  const archive = spawn("tar", ["-C", tree, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const progress = await docker.importImage(archive.stdout, {
    repo: image.name.slice(0, tag),
    tag: image.name.slice(tag + 1),
    changes: [
      "WORKDIR /app",
      "ENV PATH=/usr/local/bin",
      `ENTRYPOINT ["/usr/local/bin/node"]`,
      `CMD ${JSON.stringify(image.command)}`,
    ],
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
  });
}

/** Copies a program with the shared libraries that the dynamic linker would load for it. */
async function copyBinary(tree: string, binary: string, destination: string): Promise<void> {
  const { stdout } = await run("ldd", [binary]);
  const libraries = Array.from(stdout.matchAll(/(\/\S+) \(0x/g), (match) => match[1]!);
  const copies = [...libraries.map((library) => [library, library]), [binary, destination]];
  for (const [source, target] of copies) {
    const into = path.join(tree, target!);
    await mkdir(path.dirname(into), { recursive: true });
    await cp(await realpath(source!), into);
  }
}
