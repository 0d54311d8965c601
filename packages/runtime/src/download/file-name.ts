import { InferenceError } from "@frugal/core";

/** Names that Windows gives to devices, with any extension. */
const devices = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;

/**
 * Makes sure that a name from a server or a file stays below the folder it is put into, on every
 * system: relative, with `/` between its parts, without `.` or `..`, without drives, devices,
 * streams or control characters.
 *
 * @throws {@link InferenceError} `format` naming it.
 */
export function checkFileName(name: unknown): asserts name is string {
  if (typeof name === "string" && name.length <= 1024 && name.split("/").every(isSafePart)) return;
  throw new InferenceError("format", `bad file name ${JSON.stringify(name)?.slice(0, 200)}`);
}

function isSafePart(part: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused.
  return !/[\u0000-\u001f\\:*?"<>|]|^$|^\.{1,2}$|[. ]$/.test(part) && !devices.test(part);
}
