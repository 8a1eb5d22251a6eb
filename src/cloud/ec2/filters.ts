import type { Filter } from "@aws-sdk/client-ec2";

import { matchesPattern } from "../../policy/conditions.ts";
import type { PageRules } from "../contracts/page.ts";
import { ApiError } from "../../wire/aws/api-error.ts";

/** Items of a page (EC2 API reference, e.g. DescribeSubnets). */
export const describePages: PageRules = {
  least: 5,
  usual: 1000,
  most: 1000,
  errorCode: "InvalidParameterValue",
};

/** How records answer to the filters' names. */
export type FilterFields<T> = Readonly<Record<string, (record: T) => string | readonly string[]>>;

/** The records that pass all filters. Throws where a filter isn't known. */
export function filtered<T>(
  records: readonly T[],
  filters: readonly Filter[] | undefined,
  fields: FilterFields<T>,
): T[] {
  const wanted = (filters ?? []).map(({ Name = "", Values }) => {
    const field = Object.hasOwn(fields, Name) ? fields[Name] : undefined;
    if (field !== undefined) return { field, Values };
    throw new ApiError("InvalidParameterValue", `The filter '${Name}' is invalid`);
  });
  return records.filter((record) =>
    wanted.every(({ field, Values }) => {
      const values = [field(record)].flat();
      return (Values ?? []).some((wanted) => values.some((value) => matchesPattern(value, wanted)));
    }),
  );
}

/** What a record is called, and the error's code where there is none with an id. */
export interface Kind {
  readonly what: string;
  readonly code: string;
}

/** Records by id; throws `ApiError` where one of the ids is not there. */
export function byIds<T>(
  records: readonly T[],
  ids: readonly string[] | undefined,
  idOf: (record: T) => string,
  { what, code }: Kind,
): readonly T[] {
  if (ids === undefined || ids.length === 0) return records;
  return ids.map((id) => {
    const found = records.find((record) => idOf(record) === id);
    if (found !== undefined) return found;
    throw new ApiError(code, `The ${what} '${id}' does not exist`);
  });
}
