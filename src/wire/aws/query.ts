// awsQuery and ec2Query: input as form parameters with dotted names.
import { fromSeconds, members, renamed, type Shape, trait, wrongType } from "./shape.ts";

export type QueryDialect = "awsQuery" | "ec2Query";

/** A list longer than that is an attack. */
const listLimit = 10_000;
/** Parts of a name; no input of a service is nested that deep, and each part takes memory. */
const partsLimit = 32;

/** Input members from the parameters. Throws `ApiError`. */
export function fromQuery(
  shape: Shape,
  parameters: ReadonlyMap<string, string>,
  dialect: QueryDialect,
): Record<string, unknown> {
  return readStructure(shape, tree(parameters), dialect, "");
}

/** Parameters by the parts of their dotted names. */
interface Branch {
  value?: string;
  readonly parts: Map<string, Branch>;
}

function tree(parameters: ReadonlyMap<string, string>): Branch {
  const root: Branch = { parts: new Map() };
  for (const [name, value] of parameters) {
    let at = root;
    const parts = name.split(".", partsLimit + 1);
    if (parts.length > partsLimit) continue;
    for (const part of parts) {
      let next = at.parts.get(part);
      if (next === undefined) at.parts.set(part, (next = { parts: new Map() }));
      at = next;
    }
    at.value = value;
  }
  return root;
}

function readStructure(
  shape: Shape,
  branch: Branch,
  dialect: QueryDialect,
  where: string,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, member] of members(shape)) {
    const found = branch.parts.get(queryName(name, member, dialect));
    if (found === undefined) continue;
    const value = readValue(member, found, dialect, where === "" ? name : `${where}.${name}`);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function readValue(shape: Shape, branch: Branch, dialect: QueryDialect, where: string): unknown {
  if (shape.isStructSchema()) return readStructure(shape, branch, dialect, where);
  if (shape.isListSchema()) return readList(shape, branch, dialect, where);
  if (shape.isMapSchema()) return readMap(shape, branch, dialect, where);
  const { value } = branch;
  if (value === undefined) throw wrongType(where, "a single value");
  return readSimple(shape, value, where);
}

function readList(shape: Shape, branch: Branch, dialect: QueryDialect, where: string): unknown[] {
  const item = shape.getValueSchema();
  const isFlat = dialect === "ec2Query" || trait(shape, "xmlFlattened") !== undefined;
  const itemName = renamed(item, "xmlName", "member");
  const items = isFlat ? branch : branch.parts.get(itemName);
  // An empty list is sent as the bare name.
  if (items === undefined) return [];
  const result: unknown[] = [];
  for (let index = 1; index <= listLimit; index += 1) {
    const found = items.parts.get(String(index));
    if (found === undefined) break;
    result.push(readValue(item, found, dialect, `${where}.${index}`));
  }
  return result;
}

function readMap(
  shape: Shape,
  branch: Branch,
  dialect: QueryDialect,
  where: string,
): Record<string, unknown> {
  const isFlat = trait(shape, "xmlFlattened") !== undefined;
  const entries = isFlat ? branch : branch.parts.get("entry");
  const result: [string, unknown][] = [];
  for (let index = 1; index <= listLimit; index += 1) {
    const entry = entries?.parts.get(String(index));
    const key = entry?.parts.get("key")?.value;
    const value = entry?.parts.get("value");
    if (key === undefined || value === undefined) break;
    result.push([key, readValue(shape.getValueSchema(), value, dialect, `${where}.${key}`)]);
  }
  return Object.fromEntries(result);
}

/** What `Number` takes is more: spaces, hexadecimal, nothing at all. */
const decimal = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

export function readSimple(shape: Shape, value: string, where: string): unknown {
  if (shape.isBooleanSchema()) {
    if (value !== "true" && value !== "false") throw wrongType(where, "true or false");
    return value === "true";
  }
  if (shape.isTimestampSchema()) {
    const time = /^\d+(\.\d+)?$/.test(value) ? fromSeconds(Number(value)) : new Date(value);
    if (Number.isNaN(time.getTime())) throw wrongType(where, "a timestamp");
    return time;
  }
  if (shape.isBlobSchema()) return Buffer.from(value, "base64");
  if (shape.isNumericSchema()) {
    const number = Number(value);
    if (!decimal.test(value) || !Number.isFinite(number)) throw wrongType(where, "a number");
    return number;
  }
  return value;
}

function queryName(name: string, member: Shape, dialect: QueryDialect): string {
  const xmlName = trait(member, "xmlName");
  if (dialect === "awsQuery") return typeof xmlName === "string" ? xmlName : name;
  const ec2Name = trait(member, "ec2QueryName");
  if (typeof ec2Name === "string") return ec2Name;
  const base = typeof xmlName === "string" ? xmlName : name;
  return base.charAt(0).toUpperCase() + base.slice(1);
}
