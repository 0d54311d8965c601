import type { PackageRule } from "./rules.ts";

/** The part of a package.json that the rules are about. */
export interface Manifest {
  readonly name?: string;
  readonly type?: string;
  readonly license?: string;
  readonly sideEffects?: boolean;
  readonly exports?: unknown;
  readonly files?: readonly string[];
  readonly engines?: Readonly<Record<string, string>>;
  readonly publishConfig?: unknown;
  readonly repository?: { readonly directory?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** What every published package says about itself, word for word. */
const uniform = {
  type: "module",
  license: "MIT",
  sideEffects: false,
  files: ["dist", "src"],
  engines: { node: ">=22.12" },
  publishConfig: { access: "public", provenance: true },
  exports: {
    ".": {
      "@frugal/source": "./src/index.ts",
      types: "./dist/index.d.ts",
      default: "./dist/index.js",
    },
    "./package.json": "./package.json",
  },
} as const;

/** What every package folder contains. */
export const requiredFiles: readonly string[] = [
  "LICENSE",
  "README.md",
  "package.json",
  "src/index.ts",
  "test/tsconfig.json",
  "tsconfig.json",
  "tsup.config.ts",
];

/**
 * Violations in the manifest of the package in folder `name`, one sentence each.
 *
 * Conditions are compared in their order, because the first that matches wins.
 */
export function checkManifest(name: string, manifest: Manifest, rule: PackageRule): string[] {
  const found: string[] = [];
  if (manifest.name !== `@frugal/${name}`) found.push(`is called ${manifest.name}`);
  if (manifest.repository?.directory !== `packages/${name}`) {
    found.push(`gives ${manifest.repository?.directory} as its folder`);
  }
  for (const [field, expected] of Object.entries(uniform)) {
    const actual = manifest[field as keyof typeof uniform];
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      found.push(`has ${JSON.stringify(actual)} as ${field}`);
    }
  }
  for (const [id, range] of Object.entries(manifest.dependencies ?? {})) {
    if (!isAllowed(id, rule) && rule.cli?.includes(id) !== true) found.push(`depends on ${id}`);
    if (id.startsWith("@frugal/") && range !== "workspace:^") {
      found.push(`depends on ${id} as ${range} instead of workspace:^`);
    }
  }
  for (const id of Object.keys(manifest.peerDependencies ?? {})) {
    if (!rule.outside.includes(id)) found.push(`has ${id} as a peer`);
  }
  return found;
}

/** Whether a package under `rule` may name the module `id`. */
export function isAllowed(id: string, rule: PackageRule): boolean {
  if (id.startsWith("@frugal/")) return rule.internal.includes(id.slice("@frugal/".length));
  const scheme = /^[a-z]+:/.exec(id)?.[0];
  return rule.outside.includes(id) || (scheme !== undefined && rule.outside.includes(`${scheme}*`));
}
