/**
 * Gives inputs and outputs that `genai_config.json` names otherwise their usual names.
 *
 * It maps roles to names, `past_key_names` to patterns such as `past.%d.k`; what it does not mention
 * keeps its name.
 */
export function genaiNames(genai: unknown): (name: string) => string {
  const decoder = (genai as Config | null)?.model?.decoder;
  const simple = new Map<unknown, string>();
  const patterns: (readonly [RegExp, string])[] = [];
  for (const [role, name] of Object.entries({ ...decoder?.inputs, ...decoder?.outputs })) {
    const usual = usualPatterns[role];
    if (typeof name !== "string") continue;
    if (usual === undefined) simple.set(name, role);
    else patterns.push([new RegExp(`^${escape(name).replace("%d", "(\\d+)")}$`), usual]);
  }
  return (name) => {
    const pattern = patterns.find(([expression]) => expression.test(name));
    return pattern === undefined
      ? (simple.get(name) ?? name)
      : name.replace(pattern[0], pattern[1]);
  };
}

/** Whether `genai_config.json` says that past and present are one buffer; null if it does not say. */
export function sharesBuffer(genai: unknown): boolean | null {
  const shared = (genai as Config | null)?.search?.past_present_share_buffer;
  return typeof shared === "boolean" ? shared : null;
}

interface Config {
  readonly search?: { readonly past_present_share_buffer?: unknown };
  readonly model?: {
    readonly decoder?: {
      readonly inputs?: Readonly<Record<string, unknown>>;
      readonly outputs?: Readonly<Record<string, unknown>>;
    };
  };
}

const usualPatterns: Readonly<Record<string, string>> = {
  past_names: "past_$1",
  past_key_names: "past_key_values.$1.key",
  past_value_names: "past_key_values.$1.value",
  present_names: "present_$1",
  present_key_names: "present.$1.key",
  present_value_names: "present.$1.value",
};

function escape(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
