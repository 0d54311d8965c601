import type { Matrix } from "@frugal/core";
import {
  averagePool,
  clusterDensityPeaks,
  labelRegions,
  mergeBipartite,
  mergeConnected,
  mergeHalving,
  mergeIntoOutliers,
  mergeRecoverable,
  mergeRest,
  mergeWindows,
  selectByAttention,
  selectByDensity,
  selectByFrameGroups,
  selectByGate,
  selectByThumbnail,
  selectChanged,
  selectCovering,
  selectDeterminant,
  selectDissimilar,
  selectFromRegions,
  selectMaxMin,
  selectSalientAndDistinct,
  shareByThumbnail,
  mergeAroundAnchors,
  mergeRuns,
  mergeScenes,
  mergeStillAndSalient,
} from "@frugal/vision-tokens";

import { imageFeatures, normalNumbers } from "./image-features.ts";

/** Everything that a method may look at. */
export interface Scene {
  readonly features: Matrix;
  readonly keys: Matrix;
  /** Of the class token, summing to about 1. */
  readonly attention: Float32Array;
  readonly relevance: Float32Array;
  /** What a trained selector says of every row: keep, drop. */
  readonly gate: Matrix;
  readonly text: Matrix;
  /** Cells on a side of the image. */
  readonly side: number;
  /** Rows of a frame, where the scene is taken for a video. */
  readonly perFrame: number;
}

/** A scene of `side` by `side` cells; `width` numbers each, synthetic, varying as those of images do. */
export function sceneOf(side: number, width: number): Scene {
  const n = side * side;
  const features = imageFeatures(side, side, width);
  const attention = normalNumbers(1, n).map((x) => Math.exp(x) / n);
  const frames = side % 4 === 0 ? 4 : side % 3 === 0 ? 3 : 2;
  return {
    features,
    keys: { data: features.data, rows: n, cols: width },
    attention,
    relevance: attention.map((x) => Math.min(1, n * x * 0.2)),
    gate: { data: normalNumbers(3, 2 * n), rows: n, cols: 2 },
    text: { data: normalNumbers(2, 32 * width), rows: 32, cols: width },
    side,
    perFrame: n / frames,
  };
}

/** The methods before the decoder by the names of their functions, keeping a share of the rows. */
export const selectors: Readonly<Record<string, (scene: Scene, kept: number) => unknown>> = {
  averagePool: ({ side }, kept) => {
    const cells = Math.round(side * Math.sqrt(kept));
    return averagePool({ rows: side, cols: side }, { rows: cells, cols: cells });
  },
  clusterDensityPeaks: ({ features }, kept) =>
    clusterDensityPeaks(features, Math.round(kept * features.rows)),
  mergeBipartite: ({ features }) => mergeBipartite(features, features.rows >> 1),
  mergeConnected: ({ features, perFrame }) => mergeConnected(features, perFrame, 0.9),
  mergeHalving: ({ features }) => mergeHalving(features),
  mergeIntoOutliers: ({ attention, keys }) => mergeIntoOutliers(attention, keys),
  mergeRecoverable: ({ attention, relevance, keys }) =>
    mergeRecoverable(attention, relevance, keys),
  mergeRest: ({ attention, keys }, kept) => {
    const count = Math.round(kept * keys.rows);
    const contextual = Math.round(count / 6.4);
    return mergeRest(attention, keys, { dominant: count - contextual, contextual });
  },
  mergeWindows: ({ features, side }) =>
    mergeWindows(features, { rows: side, cols: side }, { side: side % 3 === 0 ? 3 : 2 }),
  selectByAttention: ({ attention }, kept) =>
    selectByAttention(attention, Math.round(kept * attention.length)),
  selectByDensity: ({ attention, keys }) => selectByDensity(keys, attention),
  selectByGate: ({ gate }) => selectByGate(gate),
  selectByThumbnail: ({ attention, side }, ratio) =>
    selectByThumbnail(
      attention,
      Array.from({ length: 4 }, () => attention),
      {
        cols: 2,
        rows: 2,
        ratio,
        width: 28 * side,
        height: 28 * side,
      },
    ),
  selectByFrameGroups: ({ features, perFrame }) => selectByFrameGroups(features, perFrame),
  selectChanged: ({ features, perFrame }, kept) => selectChanged(features, perFrame, 1 - kept),
  selectCovering: ({ features }, kept) =>
    selectCovering(features, Math.round(kept * features.rows)),
  selectDeterminant: ({ features, relevance }, kept) =>
    selectDeterminant(features, relevance, Math.round(kept * features.rows)),
  selectDissimilar: ({ features, text }, kept) => selectDissimilar(features, text, 1 - kept),
  selectFromRegions: ({ features, side }) => selectFromRegions(labelRegions(features, side)),
  mergeRuns: ({ features, perFrame }) => mergeRuns(features, 0.6, perFrame),
  mergeScenes: ({ features, perFrame }) => mergeScenes(features, perFrame),
  mergeStillAndSalient: ({ features, perFrame, attention }, ratio) =>
    mergeStillAndSalient(features, perFrame, attention, { ratio }),
  mergeAroundAnchors: ({ features, perFrame, attention }, ratio) =>
    mergeAroundAnchors(features, perFrame, attention, { ratio }),
  selectMaxMin: ({ features }, kept) => selectMaxMin(features, Math.round(kept * features.rows)),
  selectSalientAndDistinct: ({ attention, features }, kept) =>
    selectSalientAndDistinct(attention, features, Math.round(kept * features.rows)),
  shareByThumbnail: ({ attention }, ratio) =>
    shareByThumbnail(attention, { cols: 3, rows: 3, ratio }),
};

/** Those that take products of all pairs of rows, computed on a device. */
export const withProducts: Readonly<
  Record<string, (scene: Scene, kept: number, gram: Matrix) => unknown>
> = {
  mergeBipartite: ({ features }, _kept, gram) =>
    mergeBipartite(features, features.rows >> 1, { gram }),
  mergeIntoOutliers: ({ attention, keys }, _kept, gram) =>
    mergeIntoOutliers(attention, keys, { gram }),
  mergeRest: ({ attention, keys }, kept, gram) => {
    const count = Math.round(kept * keys.rows);
    const contextual = Math.round(count / 6.4);
    return mergeRest(attention, keys, { dominant: count - contextual, contextual, gram });
  },
  selectCovering: ({ features }, kept, gram) =>
    selectCovering(features, Math.round(kept * features.rows), gram),
  selectMaxMin: ({ features }, kept, gram) =>
    selectMaxMin(features, Math.round(kept * features.rows), { gram }),
  selectSalientAndDistinct: ({ attention, features }, kept, gram) =>
    selectSalientAndDistinct(attention, features, Math.round(kept * features.rows), 0.5, gram),
};
