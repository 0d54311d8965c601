/** How many of the first rows a `keep` of `slots` leaves where they are. */
export function samePrefix(slots: Uint32Array): number {
  let length = 0;
  while (length < slots.length && slots[length] === length) length++;
  return length;
}
