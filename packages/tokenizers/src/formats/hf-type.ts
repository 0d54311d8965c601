import type { JsonReader } from "./json-reader.ts";

/** A type, and the members that a component without a type has if it is of this one. */
export type TypeShape = readonly [type: string, members: readonly string[]];

/**
 * The type of a component: what it says, or, in very old files that say nothing, the first of
 * `shapes` whose members it has, as the reference's untagged enumerations do. Further members do not
 * matter.
 *
 * @throws {@link InferenceError} `format` if neither is known.
 */
export function readType(reader: JsonReader, shapes: readonly TypeShape[]): string {
  const type = reader.member("type");
  if (!type.isAbsent) return type.string();
  return findShape(reader, shapes) ?? type.fail("a string");
}

/** The first of `shapes` whose members are all there. */
export function findShape(reader: JsonReader, shapes: readonly TypeShape[]): string | undefined {
  const found = shapes.find(([, members]) => members.every((name) => hasMember(reader, name)));
  return found?.[0];
}

function hasMember(reader: JsonReader, name: string): boolean {
  return !reader.member(name).isAbsent;
}
