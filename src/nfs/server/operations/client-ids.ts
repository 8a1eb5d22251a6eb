// How clients of NFSv4.0 introduce themselves and stay: SETCLIENTID, SETCLIENTID_CONFIRM, RENEW,
// RELEASE_LOCKOWNER (RFC 7530 §16.33, §16.34, §16.28, §16.37).
import { opaqueLimit, verifierLength } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { type Compound, principalOf } from "../compound.ts";
import type { Client } from "../state/client.ts";
import { lockOwnerName } from "../state/file-system-state.ts";

export function setClientId(compound: Compound): StatusCode {
  const { reader, writer, state } = compound;
  const verifier = Buffer.from(reader.fixedOpaque(verifierLength)).toString("hex");
  const { view } = compound;
  const owner = view + reader.byteString(opaqueLimit);
  // The callback program, network id and address: this server calls nobody back.
  reader.skip(4);
  reader.opaque(opaqueLimit);
  reader.opaque(opaqueLimit);
  reader.skip(4);
  const principal = principalOf(compound);
  const confirmed = state.clientOf(owner, true, 0);
  if (confirmed !== undefined && confirmed.principal !== principal) {
    const holds = confirmed.states.size > 0;
    if (holds && !state.hasExpired(confirmed)) {
      encodeClientAddress(compound);
      return Status.CLID_INUSE;
    }
    state.drop(confirmed);
  }
  const unconfirmed = state.clientOf(owner, false, 0);
  if (unconfirmed !== undefined) state.drop(unconfirmed);
  const isSame = confirmed?.verifier === verifier && confirmed.principal === principal;
  const introduction = { view, owner, minorVersion: 0, verifier, principal } as const;
  const client = isSame ? confirmed : state.introduce(introduction);
  if (client === undefined) return Status.DELAY;
  client.confirmation = state.nextConfirmation();
  writer.uint32(state.instance);
  writer.uint32(client.number);
  encodeConfirmation(compound, client);
  return Status.OK;
}

/** Who uses the id: nobody's address is told to somebody else. */
function encodeClientAddress({ writer }: Compound): void {
  writer.byteString("tcp");
  writer.byteString("0.0.0.0.0.0");
}

function encodeConfirmation({ writer, state }: Compound, client: Client): void {
  writer.uint32(state.instance);
  writer.uint32(client.confirmation);
}

export function confirmClientId(compound: Compound): StatusCode {
  const { reader, state } = compound;
  const instance = reader.uint32();
  const number = reader.uint32();
  const confirmationInstance = reader.uint32();
  const confirmation = reader.uint32();
  const client = compound.clientNamed(instance, number);
  if (client === undefined || state.hasLapsed(client)) return Status.STALE_CLIENTID;
  // A retransmission may come after the next SETCLIENTID.
  const isKnown = confirmation === client.confirmation || confirmation === client.confirmedWith;
  if (confirmationInstance !== state.instance || !isKnown) return Status.STALE_CLIENTID;
  if (client.principal !== principalOf(compound)) return Status.CLID_INUSE;
  if (!client.confirmed) state.confirm(client);
  client.confirmedWith = confirmation;
  state.renew(client);
  return Status.OK;
}

export function renew(compound: Compound): StatusCode {
  const refused = compound.actAs(compound.reader.uint32(), compound.reader.uint32());
  return refused ?? Status.OK;
}

export function releaseLockOwner(compound: Compound): StatusCode {
  const { reader, state } = compound;
  const refused = compound.actAs(reader.uint32(), reader.uint32());
  const lockOwner = reader.byteString(opaqueLimit);
  if (refused !== undefined) return refused;
  const { client, files } = compound;
  const name = lockOwnerName(client, lockOwner);
  const locks = [...client.states.values()].filter(
    (held) => held.kind === "lock" && held.owner === name,
  );
  for (const lock of locks) {
    if (lock.kind !== "lock") continue;
    if (files.locks.holds(lock.open.inode.number, name)) return Status.LOCKS_HELD;
  }
  for (const lock of locks) if (lock.kind === "lock") state.freeLock(lock);
  client.lockOwners.delete(lockOwner);
  return Status.OK;
}
