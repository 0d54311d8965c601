/**
 * Receives one piece. `start` is where the piece's first unit that comes from the text stands in
 * it; `prefixed` says that a space was put before that unit. Pieces are never empty.
 */
export type PieceSink = (piece: string, start: number, prefixed: boolean) => void;

/** Cuts `text`, whose first unit stands at `start`, into pieces, in order. */
export type PreTokenizer = (text: string, start: number, sink: PieceSink) => void;
