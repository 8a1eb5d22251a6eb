// Limits of ECS.

/** Tasks of one RunTask. */
export const runTaskCount = 10;
/** Tasks of one DescribeTasks. */
export const describeTasksCount = 100;
/** Milliseconds that a stopped task can still be described (facts §3.4: at least an hour). */
export const stoppedTasksMs = 3_600_000;
/** Characters of a stoppedReason (facts §3.5). */
export const stoppedReasonLimit = 1024;
export const securityGroupsLimit = 5;
export const subnetsLimit = 16;
