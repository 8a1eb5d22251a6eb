import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { keyBits } from "./limits.ts";

/** The host's private key, one for all its mounts (facts §1.2); made when it is first needed. */
export function hostKey(stateDirectory: string): KeyObject {
  const file = path.join(stateDirectory, "privateKey.pem");
  try {
    return createPrivateKey(readFileSync(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: keyBits });
  const own = `${file}.${process.pid}`;
  writeFileSync(own, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o400 });
  try {
    linkSync(own, file);
  } catch (error) {
    // Another mount was faster: its key is the host's.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(own);
  }
  return createPrivateKey(readFileSync(file));
}
