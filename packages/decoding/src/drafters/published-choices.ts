import type { RankTemplate } from "./token-recycling-template.ts";

/**
 * The tree of 63 nodes that Medusa was published with (`mc_sim_7b_63`), by use: of ten guesses each,
 * four deep. Made for devices on which a block of 64 rows takes little longer than one row.
 *
 * @see FasterDecoding/Medusa: medusa/model/medusa_choices.py
 */
export const medusaChoices: RankTemplate = /* @__PURE__ */ parsePaths(
  "0 00 1 01 2 000 10 02 3 03 4 04 20 05 001 5 06 6 07 010 11 7 08 002 30 09 8 9 100 020 12 003 40 " +
    "21 004 005 0000 011 006 030 50 13 007 008 009 60 040 14 70 012 200 31 22 80 050 15 101 021 90 " +
    "060 0001 16 070",
);

/**
 * The tree of 25 nodes that EAGLE-1 was published with (there `mc_sim_7b_63` too), level by level.
 *
 * @see SafeAILab/EAGLE: eagle/model/choices.py
 */
export const eagleChoices: RankTemplate = /* @__PURE__ */ parsePaths(
  "0 1 2 3 00 01 02 10 11 20 21 30 000 001 002 010 011 020 021 100 0000 0001 0002 00000 00001",
);

/** Paths written as one digit per rank. */
function parsePaths(text: string): RankTemplate {
  return text.split(" ").map((path) => Array.from(path, Number));
}
