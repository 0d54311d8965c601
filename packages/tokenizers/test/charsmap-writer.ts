/** Builds a compiled character map, slowly: keys to replacements. */
export function writeCharsmap(rules: Readonly<Record<string, string>>): Uint8Array {
  interface Node {
    readonly children: Map<number, Node>;
    value: number;
  }
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const root: Node = { children: new Map(), value: -1 };
  const text: number[] = [];
  for (const [key, replacement] of Object.entries(rules)) {
    let node = root;
    for (const byte of encode(key)) {
      const child = node.children.get(byte) ?? { children: new Map(), value: -1 };
      node.children.set(byte, child);
      node = child;
    }
    node.value = text.length;
    text.push(...encode(replacement), 0);
  }

  const units = new Map<number, number>();
  const place = (node: Node, at: number, label: number): void => {
    const labels = [...(node.value >= 0 ? [0] : []), ...node.children.keys()];
    // Multiples of 256 keep the children of different nodes apart.
    let base = 256 * (1 + units.size);
    while (labels.some((each) => units.has(base ^ each))) base += 256;
    const offset = at ^ base;
    const wide = offset >= 1 << 21 ? 0x200 | ((offset >> 8) << 10) : offset << 10;
    units.set(at, (wide | (node.value >= 0 ? 0x100 : 0) | label) >>> 0);
    if (node.value >= 0) units.set(base, (node.value | 0x80000000) >>> 0);
    for (const byte of node.children.keys()) units.set(base ^ byte, byte);
    for (const [byte, child] of node.children) place(child, base ^ byte, byte);
  };
  place(root, 0, 0);

  const size = (Math.max(...units.keys()) | 255) + 1;
  const blob = new Uint8Array(4 + 4 * size + text.length);
  const view = new DataView(blob.buffer);
  view.setUint32(0, 4 * size, true);
  // A label that no byte has marks what is free.
  for (let i = 0; i < size; i++) view.setUint32(4 + 4 * i, units.get(i) ?? 0x80000000, true);
  blob.set(text, 4 + 4 * size);
  return blob;
}
