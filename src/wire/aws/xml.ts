// Output as XML, for awsQuery and ec2Query.
import { members, renamed, type Shape, trait } from "./shape.ts";

/** The members of a structure as elements, without one around them. */
export function toXml(shape: Shape, value: unknown): string {
  if (value === undefined || value === null || !shape.isStructSchema()) return "";
  const object = value as Record<string, unknown>;
  let text = "";
  for (const [name, member] of members(shape)) {
    const given = object[name];
    if (given === undefined || given === null) continue;
    text += memberXml(renamed(member, "xmlName", name), member, given);
  }
  return text;
}

function memberXml(name: string, shape: Shape, value: unknown): string {
  if (shape.isListSchema()) {
    const item = shape.getValueSchema();
    const itemName = renamed(item, "xmlName", "member");
    const values = value as unknown[];
    if (trait(shape, "xmlFlattened") !== undefined) {
      return values.map((each) => memberXml(name, item, each)).join("");
    }
    return element(name, values.map((each) => memberXml(itemName, item, each)).join(""));
  }
  if (shape.isMapSchema()) {
    const entries = Object.entries(value as Record<string, unknown>).map(([key, each]) =>
      element(
        "entry",
        element("key", escape(key)) + memberXml("value", shape.getValueSchema(), each),
      ),
    );
    return element(name, entries.join(""));
  }
  if (shape.isStructSchema()) return element(name, toXml(shape, value));
  return element(name, escape(simpleText(value)));
}

function simpleText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return String(value);
}

export function element(name: string, inner: string, attributes = ""): string {
  return `<${name}${attributes}>${inner}</${name}>`;
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#xD;",
};

export function escape(text: string): string {
  return text.replace(/[&<>"\r]/g, (found) => escapes[found]!);
}
