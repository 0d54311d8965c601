import type { LanguageModel } from "@frugal/core";
import { afterAll, beforeAll, describe, test } from "vitest";

import { cacheCases } from "./contract/cache-cases.ts";
import { chainCases } from "./contract/chain-cases.ts";
import { outputCases } from "./contract/output-cases.ts";
import { refusalCases } from "./contract/refusal-cases.ts";
import { type ContractCase, type PositionMode, positionModes } from "./contract/suite.ts";
import { treeCases } from "./contract/tree-cases.ts";

const cases = { ...chainCases, ...outputCases, ...treeCases, ...cacheCases, ...refusalCases };

/** The name of a case, which its test carries in parentheses. */
export type CaseName = keyof typeof cases;

/** Options of {@link testLanguageModel}. */
export interface ContractOptions {
  /** Largest absolute difference between logits that should be equal. Default 1e-4. */
  readonly tolerance?: number;
  /**
   * The same weights in the reference transformer. Cases that compare against it are skipped
   * where there is none.
   */
  readonly reference?: () => Promise<LanguageModel>;
  /** Cases that this implementation does not pass, each with the reason. */
  readonly skip?: Partial<Record<CaseName, string>>;
  /** The numberings it can do; both by default. Another one must be refused where it matters. */
  readonly positions?: readonly PositionMode[];
  /** How many random trees to try. Default 100. */
  readonly trees?: number;
}

/**
 * Registers what every implementation of `LanguageModel` must satisfy, whatever runs underneath.
 *
 * Calls `load` once for all cases and once more for the case that disposes the model. The
 * vocabulary needs at least four ids, the model at least 64 positions. What the capabilities deny
 * must be refused with `unsupported`.
 */
export function testLanguageModel(
  name: string,
  load: () => Promise<LanguageModel>,
  options: ContractOptions = {},
): void {
  describe(`${name} is a LanguageModel`, { timeout: 120_000 }, () => {
    let model: LanguageModel;
    let reference: LanguageModel | null = null;
    beforeAll(async () => {
      model = await load();
      reference = (await options.reference?.()) ?? null;
    }, 120_000);
    afterAll(async () => {
      await model.dispose();
      await reference?.dispose();
    });

    for (const [id, { title, run }] of Object.entries<ContractCase>(cases)) {
      test(`${title} (${id})`, async (context) => {
        const reason = options.skip?.[id as CaseName];
        if (reason !== undefined) context.skip(reason);
        await run({
          model,
          reference,
          load,
          tolerance: options.tolerance ?? 1e-4,
          trees: options.trees ?? 100,
          positionModes: options.positions ?? positionModes,
          skip: (why) => context.skip(why),
        });
      });
    }
  });
}
