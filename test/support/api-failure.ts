import assert from "node:assert/strict";

export interface ExpectedFailure {
  /** The error's name as the SDK reports it. */
  readonly code: string;
  readonly message?: string | RegExp;
  readonly status?: number;
  /** Further members of the error, e.g. FileSystemId. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** The call has to be refused, and exactly so. */
export async function fails(call: Promise<unknown>, expected: ExpectedFailure): Promise<void> {
  let failure: unknown;
  try {
    const answer = await call;
    assert.fail(`${expected.code} was expected, the answer was ${JSON.stringify(answer)}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    failure = error;
  }
  const { name, message, $metadata, ...members } = failure as Error & {
    $metadata?: { httpStatusCode?: number };
  };
  assert.equal(name, expected.code, message);
  if (typeof expected.message === "string") assert.equal(message, expected.message);
  else if (expected.message !== undefined) assert.match(message, expected.message);
  if (expected.status !== undefined) assert.equal($metadata?.httpStatusCode, expected.status);
  for (const [member, value] of Object.entries(expected.members ?? {})) {
    assert.deepEqual((members as Record<string, unknown>)[member], value, member);
  }
}

/** What a caller without the permission is told, in IAM's sentence. */
export function denied(action: string, code = "AccessDeniedException"): ExpectedFailure {
  return {
    code,
    message: new RegExp(
      `^User: arn:aws:\\S+ is not authorized to perform: ${action} on resource: \\S+ ` +
        `because no identity-based policy allows the ${action} action$`,
    ),
  };
}
