/** Text after normalization, with the way back. */
export interface Normalized {
  readonly text: string;
  /**
   * For each UTF-16 unit of `text`, where the character it came from starts and ends in the
   * original; `null` if nothing moved or nobody asked.
   */
  readonly origin: { readonly starts: Uint32Array; readonly ends: Uint32Array } | null;
}

/** Rewrites a stretch of well-formed text; fills in `origin` if `withOrigin` and text moved. */
export type Normalizer = (text: string, withOrigin: boolean) => Normalized;
