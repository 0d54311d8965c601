/**
 * The first key that the object in a JSON text has twice, or null. `JSON.parse` keeps the last value
 * of such a key without a word.
 *
 * Looks at the outermost object only. Cost: one pass over the text. Unchecked: `json` is valid JSON.
 */
export function duplicateKey(json: string): string | null {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i]!;
    if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (character === '"') {
      const end = endOfString(json, i);
      if (depth === 1 && isKey(json, end)) {
        const key = JSON.parse(json.slice(i, end)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      i = end - 1;
    }
  }
  return null;
}

/** Index after the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
  return i + 1;
}

function isKey(json: string, from: number): boolean {
  let i = from;
  while (/\s/.test(json[i]!)) i++;
  return json[i] === ":";
}
