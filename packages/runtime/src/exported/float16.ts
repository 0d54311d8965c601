/**
 * Rounds float32 to IEEE half precision, to nearest, ties to even, as bits. Too large becomes
 * infinite. Unchecked: `out` is as long as `values`.
 */
export function float32ToFloat16(values: Float32Array, out: Uint16Array): void {
  for (let i = 0; i < values.length; i++) out[i] = bitsOf(values[i]!);
}

function bitsOf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= 65_520) return sign + 0x7c00;
  // Below 2^-14 numbers are multiples of 2^-24; above, of 2^-10 of their power of two.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundToEven(size * 2 ** (10 - exponent));
  if (steps === 0) return sign;
  // A carry out of the fraction ends up in the exponent, where it belongs.
  return sign + steps + (exponent + 14) * 1024;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
