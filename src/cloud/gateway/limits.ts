// Limits of the API's port.

/** Bytes of a request's body. */
export const bodyLimit = 4 * 1024 * 1024;
/** Milliseconds that a signature may be old or early (AWS: 5 minutes for most services). */
export const clockSkewMs = 15 * 60_000;
/** Milliseconds for a whole request to arrive. */
export const requestTimeoutMs = 60_000;
