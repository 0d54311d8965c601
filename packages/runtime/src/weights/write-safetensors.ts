/** A tensor to be written: its bytes come later, in the order of the header. */
export interface PlannedTensor {
  readonly name: string;
  readonly dtype: "F32" | "F16" | "BF16" | "U8";
  readonly shape: readonly number[];
  /** Length in bytes. */
  readonly length: number;
}

/**
 * The first bytes of a safetensors file: header length and header. The data of the tensors follows
 * in the given order, without gaps.
 *
 * The header is padded with spaces to a multiple of 64 bytes, so that the data is aligned.
 */
export function safetensorsPrefix(
  tensors: readonly PlannedTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const directory: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, dtype, shape, length } of tensors) {
    directory[name] = { dtype, shape, data_offsets: [at, at + length] };
    at += length;
  }
  // Names other than ASCII become escapes, so characters are bytes.
  const json = JSON.stringify(directory).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const padded = json.padEnd(Math.ceil((json.length + 8) / 64) * 64 - 8, " ");
  const bytes = new Uint8Array(8 + padded.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded.length), true);
  for (let i = 0; i < padded.length; i++) bytes[8 + i] = padded.charCodeAt(i);
  return bytes;
}
