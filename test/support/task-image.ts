import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type Docker from "dockerode";

import { importNodeImage } from "../../tools/image/node-image.ts";

const application = path.join(import.meta.dirname, "task-app");

/** The name says what is in it, so that one made by an earlier test is as good as a new one. */
export const taskImage = `mooring-test/app:${digest()}`;

/** Imports the image unless the engine has it. It stays: the next test needs it too. */
export async function ensureTaskImage(docker: Docker): Promise<void> {
  const found = await docker.listImages({ filters: { reference: [taskImage] } });
  if (found.length > 0) return;
  await importNodeImage(docker, { name: taskImage, application, command: ["app.mts"] });
}

function digest(): string {
  const hash = createHash("sha256").update(process.version);
  for (const name of readdirSync(application).sort()) {
    hash.update(readFileSync(path.join(application, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
