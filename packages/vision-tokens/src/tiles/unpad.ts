/** A grid of feature cells. */
export interface CellGrid {
  readonly cols: number;
  readonly rows: number;
}

/**
 * What remains of a grid when the cells of the padding are cut off that centred an image of `width`
 * by `height` in it: whole cells, the same number at both ends. An odd cell of padding stays.
 */
export function unpadGrid(width: number, height: number, { cols, rows }: CellGrid): CellGrid {
  if (width / height > cols / rows) {
    return { cols, rows: trim(rows, Math.trunc(height * (cols / width))) };
  }
  return { cols: trim(cols, Math.trunc(width * (rows / height))), rows };
}

function trim(cells: number, used: number): number {
  return cells - 2 * Math.floor((cells - used) / 2);
}
