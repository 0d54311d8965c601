import { join, parse, relative, resolve, sep } from "node:path";

import { InferenceError } from "@frugal/core";
import type { WeightMap } from "@frugal/runtime";

/**
 * The innermost folder that both lie in; a graph refers to files of one folder only.
 *
 * @throws {@link InferenceError} `unsupported` for folders on different drives.
 */
export function commonFolder(a: string, b: string): string {
  const { root } = parse(resolve(a));
  const below = (path: string): string[] => resolve(path).slice(root.length).split(sep);
  if (parse(resolve(b)).root !== root) {
    throw new InferenceError("unsupported", `weights: expected a folder below ${root}, got ${b}`);
  }
  const [left, right] = [below(a), below(b)];
  let shared = 0;
  while (shared < left.length && left[shared] === right[shared]) shared++;
  return join(root, ...left.slice(0, shared));
}

/** The same weights, their files seen from a folder further up. */
export function within(base: string, folder: string, weights: WeightMap): WeightMap {
  const path = (name: string): string => relative(base, join(folder, name)).split(sep).join("/");
  return new Map(
    [...weights].map(([name, weight]) => [name, { ...weight, location: path(weight.location) }]),
  );
}
