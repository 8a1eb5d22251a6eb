// CPU and memory of Fargate tasks (facts §3.1).

/** "256", ".25 vCPU": units; undefined where it is neither. */
export function parseCpu(text: string): number | undefined {
  const vcpu = /^\s*(\d*\.?\d+)\s*vcpu\s*$/i.exec(text);
  if (vcpu !== null) return Math.round(Number(vcpu[1]) * 1024);
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

/** "512", "0.5GB": MiB; undefined where it is neither. */
export function parseMemory(text: string): number | undefined {
  const gigabytes = /^\s*(\d*\.?\d+)\s*gb\s*$/i.exec(text);
  if (gigabytes !== null) return Math.round(Number(gigabytes[1]) * 1024);
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

const gib = 1024;

/** Whether Fargate has tasks of that size. */
export function isFargateSize(cpu: number, memory: number): boolean {
  const steps = (from: number, to: number, step: number): boolean =>
    memory >= from && memory <= to && (memory - from) % step === 0;
  switch (cpu) {
    case 256:
      return [512, gib, 2 * gib].includes(memory);
    case 512:
      return steps(gib, 4 * gib, gib);
    case 1024:
      return steps(2 * gib, 8 * gib, gib);
    case 2048:
      return steps(4 * gib, 16 * gib, gib);
    case 4096:
      return steps(8 * gib, 30 * gib, gib);
    case 8192:
      return steps(16 * gib, 60 * gib, 4 * gib);
    case 16_384:
      return steps(32 * gib, 120 * gib, 8 * gib);
    case 32_768:
      return [60 * gib, 120 * gib, 244 * gib].includes(memory);
    default:
      return false;
  }
}
