/**
 * The inside of a character class of a regular expression with the flag `u` or `v`, from a table of
 * `character-tables.ts`. O(table).
 */
export function rangesToClass(table: string): string {
  let last = 0;
  let inside = "";
  for (const range of table.split(" ")) {
    const [gap, more] = range.split(".");
    const start = last + Number.parseInt(gap!, 36);
    last = start + (more === undefined ? 0 : Number.parseInt(more, 36));
    inside += `\\u{${start.toString(16)}}-\\u{${last.toString(16)}}`;
  }
  return inside;
}
