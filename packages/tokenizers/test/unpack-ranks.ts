/** The lines of a `.tiktoken` file from the packed form: `! first-rank token token ...`. */
export function unpackRanks(packed: string): string {
  const lines: string[] = [];
  for (const row of packed.split("\n")) {
    const [, first, ...tokens] = row.split(" ");
    tokens.forEach((token, i) => lines.push(`${token} ${Number(first) + i}`));
  }
  return lines.join("\n");
}
