import type { Filter } from "@aws-sdk/client-ec2";

import { matchesPattern } from "../../policy/conditions.ts";
import { ApiError } from "../../wire/aws/api-error.ts";

/** How records answer to the filters' names. */
export type FilterFields<T> = Readonly<Record<string, (record: T) => string | readonly string[]>>;

/** The records that pass all filters. Throws where a filter isn't known. */
export function filtered<T>(
  records: readonly T[],
  filters: readonly Filter[] | undefined,
  fields: FilterFields<T>,
): T[] {
  return records.filter((record) =>
    (filters ?? []).every(({ Name, Values }) => {
      const field = fields[Name ?? ""];
      if (field === undefined) {
        throw new ApiError("InvalidParameterValue", `The filter '${Name}' is invalid`);
      }
      const values = [field(record)].flat();
      return (Values ?? []).some((wanted) => values.some((value) => matchesPattern(value, wanted)));
    }),
  );
}

/** Records by id; throws `code` where one of the ids is not there. */
export function byIds<T>(
  records: readonly T[],
  ids: readonly string[] | undefined,
  idOf: (record: T) => string,
  code: string,
): readonly T[] {
  if (ids === undefined || ids.length === 0) return records;
  return ids.map((id) => {
    const found = records.find((record) => idOf(record) === id);
    if (found !== undefined) return found;
    throw new ApiError(code, `The ID '${id}' does not exist`);
  });
}
