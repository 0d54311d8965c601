/** Slots `[0, head)`, then `middle`, then `[tail, end)`: ascending if `middle` lies between. */
export function concatRange(
  head: number,
  middle: Uint32Array,
  tail: number,
  end: number,
): Uint32Array {
  const slots = new Uint32Array(head + middle.length + end - tail);
  for (let i = 0; i < head; i++) slots[i] = i;
  slots.set(middle, head);
  for (let i = tail; i < end; i++) slots[head + middle.length + i - tail] = i;
  return slots;
}
