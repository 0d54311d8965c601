/**
 * Ids, and their source ranges where wanted, while their number is not known yet.
 *
 * The fields are open because the encoder writes whole pieces at once; only the first `length`
 * entries of `ids` and `2 * length` of `offsets` mean anything.
 */
export class TokenBuffer {
  ids: Uint32Array = new Uint32Array(32);
  offsets: Uint32Array | null;
  /** Number of the word each token belongs to; null if nobody asked. */
  words: Int32Array | null;
  /** Number of the next word. */
  word = 0;
  length = 0;

  constructor(withOffsets: boolean, withWords = false) {
    this.offsets = withOffsets ? new Uint32Array(64) : null;
    this.words = withWords ? new Int32Array(32) : null;
  }

  /** Makes the tokens from `first` on one word, even if there are none. */
  closeWord(first: number): void {
    this.words?.fill(this.word, first, this.length);
    this.word++;
  }

  /** Makes room for `count` more tokens. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.ids.length) return;
    const capacity = Math.max(needed, this.ids.length * 2);
    const ids = new Uint32Array(capacity);
    ids.set(this.ids.subarray(0, this.length));
    this.ids = ids;
    if (this.words !== null) {
      const words = new Int32Array(capacity);
      words.set(this.words.subarray(0, this.length));
      this.words = words;
    }
    if (this.offsets === null) return;
    const offsets = new Uint32Array(2 * capacity);
    offsets.set(this.offsets.subarray(0, 2 * this.length));
    this.offsets = offsets;
  }

  /** Appends one token that covers `start` up to `end` of the source. */
  push(id: number, start: number, end: number): void {
    this.reserve(1);
    if (this.offsets !== null) {
      this.offsets[2 * this.length] = start;
      this.offsets[2 * this.length + 1] = end;
    }
    this.ids[this.length++] = id;
  }

  /** Appends one token whose range is filled in later. */
  pushId(id: number): void {
    if (this.length === this.ids.length) this.reserve(1);
    this.ids[this.length++] = id;
  }

  /** Appends tokens whose ranges are filled in later. */
  pushIds(ids: Uint32Array): void {
    this.reserve(ids.length);
    // Pieces are a few tokens long: a loop beats `set`, which pays for its generality.
    for (let i = 0; i < ids.length; i++) this.ids[this.length + i] = ids[i]!;
    this.length += ids.length;
  }
}
