/**
 * Widens bfloat16 bits to float32: exact, one shift per value. Unchecked: `out` is as long as
 * `bits`.
 */
export function bfloat16ToFloat32(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
}
