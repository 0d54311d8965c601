import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { describeMachine } from "./machine.ts";

/** A cell of a table. */
export type Cell = string | number | boolean | null;

/** What a suite measured. */
export interface Table {
  readonly title: string;
  /** How to read it: units, what the ratios compare. */
  readonly notes: readonly string[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

const folder = fileURLToPath(new URL("../results/", import.meta.url));

/** Writes `results/<name>.json` and `results/<name>.md`, and returns the Markdown. */
export async function writeResults(
  name: string,
  command: string,
  tables: readonly Table[],
): Promise<string> {
  const machine = describeMachine();
  const markdown = [
    `# ${name}`,
    "",
    `\`${command}\`, ${machine.date}, ${machine.cores} cores of ${machine.cpu}, ` +
      `${machine.memoryGB} GB, ${machine.platform}, Node ${machine.node}, ` +
      `onnxruntime-node ${machine.onnxruntime}.`,
    "",
    ...tables.flatMap(toMarkdown),
  ].join("\n");
  await mkdir(folder, { recursive: true });
  await writeFile(
    `${folder}${name}.json`,
    `${JSON.stringify({ command, machine, tables }, null, 2)}\n`,
  );
  await writeFile(`${folder}${name}.md`, markdown);
  return markdown;
}

function toMarkdown({ title, notes, rows }: Table): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `## ${title}`,
    "",
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(columns.map((column) => format(row[column] ?? null)))),
    "",
    ...notes.map((note) => `- ${note}`),
    "",
  ];
}

function format(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell === "string") return cell;
  return Number.isInteger(cell) ? String(cell) : cell.toPrecision(3);
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
