/**
 * The VPC on this machine: one bridge network. Mount targets' addresses live on the bridge itself,
 * tasks' addresses in their pause containers' namespaces. `docker/` implements it with Docker's
 * bridge; `loopback` serves machines and tests without one (a VPC range inside 127.0.0.0/8, where
 * every address exists already, and no tasks can run).
 */
export interface HostNetwork {
  /** Makes the bridge for the VPC's range, or finds the one made before. Idempotent. */
  open(): Promise<void>;
  /** Makes the address one of this machine's, so that a server can listen on it. Idempotent. */
  addAddress(address: string): Promise<void>;
  removeAddress(address: string): Promise<void>;
  /** Removes what `open` made, once no task is left in it. */
  close(): Promise<void>;
}
