import { createHash, randomBytes } from "node:crypto";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Speaks to the upload app over HTTP, as a browser's form would. */
export class UploadClient {
  readonly #base: string;

  constructor(address: string) {
    this.#base = `http://${address}:3000`;
  }

  /** Waits until the app listens; the container runs a little earlier than that. */
  async ready(limitMs = 20_000): Promise<void> {
    const startedMs = Date.now();
    for (;;) {
      try {
        await this.list();
        return;
      } catch (error) {
        if (Date.now() - startedMs > limitMs) throw error;
        await delay(100);
      }
    }
  }

  /** Uploads bytes and returns the name under which the app keeps them. */
  async upload(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const form = new FormData();
    form.set("myFile", new Blob([bytes]), "upload.bin");
    const response = await fetch(`${this.#base}/upload`, { method: "POST", body: form });
    const text = await response.text();
    if (!response.ok) throw new Error(`upload answered ${response.status}: ${text}`);
    return path.basename(text.trim());
  }

  async list(): Promise<string[]> {
    const response = await fetch(`${this.#base}/files`);
    if (!response.ok) throw new Error(`listing answered ${response.status}`);
    return (await response.json()) as string[];
  }

  async digest(name: string): Promise<string> {
    const response = await fetch(`${this.#base}/files/${name}`);
    if (!response.ok) throw new Error(`reading ${name} answered ${response.status}`);
    return sha256(new Uint8Array(await response.arrayBuffer()));
  }
}

export interface UploadedFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

export async function uploadRandom(client: UploadClient, size: number): Promise<UploadedFile> {
  const bytes = new Uint8Array(randomBytes(size));
  return { name: await client.upload(bytes), size, sha256: sha256(bytes) };
}

/** The files whose contents, read back over HTTP, differ from what was uploaded. */
export async function damaged(
  client: UploadClient,
  files: readonly UploadedFile[],
): Promise<string[]> {
  const names: string[] = [];
  for (const file of files) {
    if ((await client.digest(file.name)) !== file.sha256) names.push(file.name);
  }
  return names;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
