// The image of the pause container, which holds a task's network namespace: one program that
// waits for ever, put together here because no registry may be needed.
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { pack } from "tar-stream";

const pauseRepository = "mooring/pause";
const pauseTag = "1";
export const pauseImage = `${pauseRepository}:${pauseTag}`;

/** Machine code that does nothing but wait, by Node's name for the processor. */
const programs: Readonly<Record<string, { machine: number; code: readonly number[] }>> = {
  // mov eax, 34 (pause); syscall; jmp back
  x64: { machine: 62, code: [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7] },
  // x0 to x3 = 0; x8 = 73 (ppoll); svc 0; b back
  arm64: {
    machine: 183,
    code: [
      [0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003],
      [0xd2800928, 0xd4000001, 0x17fffffa],
    ]
      .flat()
      .flatMap((word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]),
  },
};

const loadAddress = 0x400000;
const headersLength = 64 + 56;

/** A static ELF executable (System V ABI, chapters 4 and 5). */
function pauseProgram(processor: string): Buffer {
  const program = programs[processor];
  if (program === undefined) throw new Error(`no pause program for ${processor} processors`);
  const file = Buffer.alloc(headersLength + program.code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(program.machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadAddress + headersLength), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(BigInt(loadAddress), 80);
  file.writeBigUInt64LE(BigInt(loadAddress), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(program.code, headersLength);
  return file;
}

/** Imports the image unless the engine has it. */
export async function ensurePauseImage(docker: Docker): Promise<void> {
  const found = await docker.listImages({ filters: { reference: [pauseImage] } });
  if (found.length > 0) return;
  const archive = pack();
  archive.entry({ name: "pause", mode: 0o755 }, pauseProgram(process.arch));
  archive.finalize();
  const changes = ['ENTRYPOINT ["/pause"]'];
  const progress = await docker.importImage(Readable.from(archive), {
    repo: pauseRepository,
    tag: pauseTag,
    changes,
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
  });
}
