/**
 * A failure that an API answers with. The code is the modelled error's name (ClientException,
 * FileSystemNotFound); the gateway looks up its status and query code in the service's schemas.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: string;
  /** Further members of the error's shape, e.g. { FileSystemId }. */
  readonly members: Readonly<Record<string, unknown>>;
  /** For codes that no schema models (EC2's, InvalidSignatureException). */
  readonly status: number | undefined;

  constructor(
    code: string,
    message: string,
    options: { members?: Readonly<Record<string, unknown>>; status?: number } = {},
  ) {
    super(message);
    this.code = code;
    this.members = options.members ?? {};
    this.status = options.status;
  }
}
