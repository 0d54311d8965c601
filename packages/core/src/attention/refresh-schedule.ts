import type { RefreshKvPolicy } from "../ports/attention-policy.ts";

/**
 * When full steps are due, by length and by how far queries have turned.
 *
 * Lengths are those of the cache before a step.
 */
export class RefreshSchedule {
  readonly #stride: number;
  readonly #drift: RefreshKvPolicy["drift"];
  #last: number | null = null;
  #looked = 0;
  #turned = false;

  constructor({ stride, drift }: Pick<RefreshKvPolicy, "stride" | "drift">) {
    this.#stride = stride;
    this.#drift = drift;
  }

  /** Length at the last full step; null before the first, and after it was rolled back. */
  get last(): number | null {
    return this.#last;
  }

  /** Whether the step at this length has to be full. */
  isFull(length: number): boolean {
    const last = this.#last;
    return last === null || this.#turned || length < last || length - last >= this.#stride;
  }

  /** Notes a full step. */
  refresh(length: number): void {
    this.#last = length;
    this.#looked = length;
    this.#turned = false;
  }

  /** Whether the cheap step at this length is one that looks at the queries. */
  looks(length: number): boolean {
    return this.#drift !== null && length - this.#looked >= this.#drift.every;
  }

  /** Notes the mean cosine of the queries at this length with those of the last full step. */
  observe(length: number, meanCosine: number): void {
    this.#looked = length;
    if (this.#drift !== null && !(meanCosine >= this.#drift.cosine)) this.#turned = true;
  }

  /** The next step is full. */
  reset(): void {
    this.#last = null;
  }

  fork(): RefreshSchedule {
    const copy = new RefreshSchedule({ stride: this.#stride, drift: this.#drift });
    copy.#last = this.#last;
    copy.#looked = this.#looked;
    copy.#turned = this.#turned;
    return copy;
  }
}
