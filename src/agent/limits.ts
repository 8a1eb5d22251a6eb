// Limits of the agent.

/** Seconds between SIGTERM and SIGKILL where the definition says nothing (Fargate: 30). */
export const stopTimeoutSeconds = 30;
/** Seconds that task credentials are made for, and before whose end new ones are (facts §3.7). */
export const credentialSeconds = 6 * 3600;
export const credentialRenewalSeconds = 15 * 60;
/** Milliseconds that log lines gather before they are sent, and events of one batch. */
export const logFlushMs = 250;
export const logBatchEvents = 1000;
/** Bytes that PutLogEvents takes, and those that it counts for an event itself (facts §3.8). */
export const logBatchBytes = 1_048_576;
export const logEventOverheadBytes = 26;
/** Bytes of one event's text; longer lines go on in the next one, as with the awslogs driver. */
export const logEventBytes = 256 * 1024 - logEventOverheadBytes;
/** Bytes that wait to be sent before no more is read; the engine keeps the rest. */
export const logWaitingBytes = 4 * 1_048_576;
/** Characters of the mount helper's words that fit into a stoppedReason (facts §3.5). */
export const mountMessageLimit = 900;
/** Milliseconds before a failed piece of clean-up is tried again. */
export const retryMs = 1000;
/** Milliseconds that a mount's process has to give its session back after unmounting. */
export const goodbyeMs = 3000;
