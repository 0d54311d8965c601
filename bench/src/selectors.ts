import type { Matrix } from "@frugal/core";
import {
  labelRegions,
  mergeBipartite,
  mergeHalving,
  mergeIntoOutliers,
  mergeRest,
  selectByAttention,
  selectByFrameGroups,
  selectChanged,
  selectDeterminant,
  selectDissimilar,
  selectFromRegions,
  selectMaxMin,
  shareByThumbnail,
} from "@frugal/vision-tokens";

/** Everything that a method may look at. */
export interface Scene {
  readonly features: Matrix;
  readonly keys: Matrix;
  /** Of the class token, summing to about 1. */
  readonly attention: Float32Array;
  readonly relevance: Float32Array;
  readonly text: Matrix;
  /** Cells on a side of the image. */
  readonly side: number;
  /** Rows of a frame, where the scene is taken for a video. */
  readonly perFrame: number;
}

/** The methods before the decoder by the names of their functions, keeping a share of the rows. */
export const selectors: Readonly<Record<string, (scene: Scene, kept: number) => unknown>> = {
  mergeBipartite: ({ features }) => mergeBipartite(features, features.rows >> 1),
  mergeHalving: ({ features }) => mergeHalving(features),
  mergeIntoOutliers: ({ attention, keys }) => mergeIntoOutliers(attention, keys),
  mergeRest: ({ attention, keys }, kept) => {
    const count = Math.round(kept * keys.rows);
    const contextual = Math.round(count / 6.4);
    return mergeRest(attention, keys, { dominant: count - contextual, contextual });
  },
  selectByAttention: ({ attention }, kept) =>
    selectByAttention(attention, Math.round(kept * attention.length)),
  selectByFrameGroups: ({ features, perFrame }) => selectByFrameGroups(features, perFrame),
  selectChanged: ({ features, perFrame }, kept) => selectChanged(features, perFrame, 1 - kept),
  selectDeterminant: ({ features, relevance }, kept) =>
    selectDeterminant(features, relevance, Math.round(kept * features.rows)),
  selectDissimilar: ({ features, text }, kept) => selectDissimilar(features, text, 1 - kept),
  selectFromRegions: ({ features, side }) => selectFromRegions(labelRegions(features, side)),
  selectMaxMin: ({ features }, kept) => selectMaxMin(features, Math.round(kept * features.rows)),
  shareByThumbnail: ({ attention }, ratio) =>
    shareByThumbnail(attention, { cols: 3, rows: 3, ratio }),
};
