/** Descriptors kept open for contents; the usual limit of a process is 1,024 or more. */
export const openFilesLimit = 512;

/** Directories that contents are spread over, so that none grows too large. */
export const shards = 256;
