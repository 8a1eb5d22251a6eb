// Condition operators (IAM user guide, "Condition operators").
import { BlockList } from "node:net";

import type { Condition } from "./document.ts";
import { knownOperators } from "./parse.ts";

type Values = readonly string[];

/** Whether the request's context fulfils the condition. */
export function fulfils(condition: Condition, context: Readonly<Record<string, Values>>): boolean {
  const { operator, qualifier, ifExists, key, values } = condition;
  const found = context[key];
  if (operator === "Null") return values.includes(String(found === undefined));
  const negated = operator.includes("Not");
  if (found === undefined) return ifExists || negated || qualifier === "ForAllValues";
  const matches = (value: string): boolean =>
    values.some((wanted) => compare(operator, value, wanted)) !== negated;
  if (qualifier === "ForAllValues") return found.every(matches);
  return negated && qualifier === undefined ? found.every(matches) : found.some(matches);
}

function compare(operator: string, value: string, wanted: string): boolean {
  switch (knownOperators[operator as keyof typeof knownOperators]) {
    case "pattern":
      return matchesPattern(value, wanted);
    case "address":
      return inRange(value, wanted);
    case "number":
      return ordered(operator, Number(value), Number(wanted));
    case "date":
      return ordered(operator, Date.parse(value), Date.parse(wanted));
    default: {
      const ignoresCase = operator.endsWith("IgnoreCase") || operator === "Bool";
      return ignoresCase ? value.toLowerCase() === wanted.toLowerCase() : value === wanted;
    }
  }
}

function ordered(operator: string, value: number, wanted: number): boolean {
  if (operator.endsWith("LessThan")) return value < wanted;
  if (operator.endsWith("LessThanEquals")) return value <= wanted;
  if (operator.endsWith("GreaterThan")) return value > wanted;
  if (operator.endsWith("GreaterThanEquals")) return value >= wanted;
  return value === wanted;
}

function inRange(address: string, range: string): boolean {
  const [network = "", bits] = range.split("/");
  const family = network.includes(":") ? "ipv6" : "ipv4";
  const list = new BlockList();
  try {
    list.addSubnet(
      network,
      bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits),
      family,
    );
    return list.check(address, address.includes(":") ? "ipv6" : "ipv4");
  } catch {
    return false;
  }
}

/** `*` is any text, `?` any character. Case counts. */
export function matchesPattern(text: string, pattern: string): boolean {
  if (!/[*?]/.test(pattern)) return text === pattern;
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`, "s").test(text);
}
