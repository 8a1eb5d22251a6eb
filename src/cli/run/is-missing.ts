const missingCodes = new Set([
  "FileSystemNotFound",
  "AccessPointNotFound",
  "NoSuchEntityException",
  "NoSuchEntity",
]);

/** Whether the request failed because what it asked for isn't there. */
export async function isMissing(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return false;
  } catch (error) {
    if (error instanceof Error && missingCodes.has(error.name)) return true;
    throw error;
  }
}
