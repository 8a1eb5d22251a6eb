import { ApiError } from "../../wire/aws/api-error.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";

/** A row that reads: everything of its kind is one resource, as in IAM's tables for EC2. */
export function reading<Input extends { DryRun?: boolean | undefined }, Output>(
  action: string,
  handle: (input: Input, call: Call) => Output,
): Operation<Input, Output> {
  return operation({
    authorize: () => ({ action, resource: "*" }),
    handle: (input: Input, call: Call) => {
      refuseDryRun(input);
      return handle(input, call);
    },
  });
}

/** The caller was allowed: a dry run ends here (facts §4.2). */
export function refuseDryRun(input: { DryRun?: boolean | undefined }): void {
  if (!input.DryRun) return;
  const message = "Request would have succeeded, but DryRun flag is set.";
  throw new ApiError("DryRunOperation", message, { status: 412 });
}
