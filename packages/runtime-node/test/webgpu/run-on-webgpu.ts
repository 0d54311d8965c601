import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The folder of a Chromium that brings a software driver for Vulkan; undefined without one. */
export const chromium: string | undefined = [
  ...(process.env["CHROMIUM"] ? [dirname(process.env["CHROMIUM"])] : []),
  "/usr/lib/chromium",
].find((folder) => existsSync(join(folder, "vk_swiftshader_icd.json")));

/** What a script of this folder printed last, as JSON, and what it made ONNX Runtime say. */
export async function runOnWebgpu(
  script: string,
  ...args: readonly string[]
): Promise<{ readonly result: unknown; readonly nodesOnHost: readonly string[] }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout, stderr } = await run(
    process.execPath,
    ["--conditions=@frugal/source", path, ...args],
    {
      maxBuffer: 2 ** 28,
      env: {
        ...process.env,
        VK_DRIVER_FILES: join(chromium!, "vk_swiftshader_icd.json"),
        LD_LIBRARY_PATH: [chromium!, process.env["LD_LIBRARY_PATH"] ?? ""].join(delimiter),
      },
    },
  );
  const last = stdout.trim().split("\n").at(-1)!;
  return { result: JSON.parse(last), nodesOnHost: typesOnHost(stderr + stdout) };
}

/** Types of the nodes that ONNX Runtime says it placed on the CPU. */
function typesOnHost(log: string): string[] {
  const lines = log.split("\n").filter((line) => line.includes("VerifyEachNodeIsAssignedToAnEp"));
  const types: string[] = [];
  let isHost = false;
  for (const line of lines) {
    if (line.includes("placed on [")) isHost = line.includes("[CPUExecutionProvider]");
    const node = /\]\s+(\w+) \(/.exec(line);
    if (isHost && node !== null) types.push(node[1]!);
  }
  return types;
}
