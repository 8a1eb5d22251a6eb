// Limits of ECS.
import type { PageRules } from "../contracts/page.ts";

/** Tasks of one RunTask. */
export const runTaskCount = 10;
/** Tasks of one DescribeTasks. */
export const describeTasksCount = 100;
/** Items of a page (facts §4.4). */
export const listPages: PageRules = {
  least: 1,
  usual: 100,
  most: 100,
  errorCode: "InvalidParameterException",
};
/** Milliseconds that a stopped task can still be described (facts §3.4: at least an hour). */
export const stoppedTasksMs = 3_600_000;
/** Characters of a stoppedReason (facts §3.5). */
export const stoppedReasonLimit = 1024;
export const securityGroupsLimit = 5;
export const subnetsLimit = 16;
