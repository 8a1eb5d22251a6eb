// Figures of the mount helper, as amazon-efs-utils has them (facts §1.1, §1.2, §1.5).

export const nfsPort = 2049;
/** Attempts, and milliseconds for each that the server doesn't answer. */
export const attempts = 3;
export const attemptMs = 15_000;
/** Bits of the host's RSA key. */
export const keyBits = 3072;
/** Milliseconds after which a certificate is made anew for the next connection. */
export const certificateRenewalMs = 60 * 60_000;
/** Milliseconds that a goodbye to the server may take when unmounting. */
export const goodbyeMs = 1000;
/** Milliseconds that an unmounted directory's tunnel stays for a kernel that doesn't connect. */
export const unmountGraceMs = 30_000;
