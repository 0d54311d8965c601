/** Characters of a value that a message shows. */
const shown = 80;

/**
 * A parsed JSON value as an error message shows it: short, whatever a hostile file nests or repeats.
 */
export function describeValue(value: unknown): string {
  const text = render(value, 0);
  return text.length > shown ? `${text.slice(0, shown)}...` : text;
}

function render(value: unknown, depth: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, shown));
  if (typeof value !== "object" || value === null) return String(value);
  if (!Array.isArray(value)) return "an object";
  if (depth > 2) return "[...]";
  const items = value.slice(0, shown).map((item) => render(item, depth + 1));
  return `[${items.join(", ")}]`;
}
