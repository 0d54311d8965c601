import { expectClose, seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { constantLength, draftModel, sortedDrafter } from "../../src/index.ts";
import { ExitSequence } from "../../src/layers/exit-sequence.ts";
import { expectAbortable } from "../abort.ts";
import { type CountedSequence, openCounted, randomModel, total } from "../layers/ranges.ts";
import { run } from "../run.ts";

const model = randomModel(4);
const target = randomModel(5);
const bounds = [0, 1, 3, 6];
const openExits = (): Promise<CountedSequence[]> =>
  Promise.all(bounds.slice(1).map((to, i) => openCounted(model([bounds[i]!, to]))));

const options = { maxTokens: 40, draftLength: constantLength(5), stopIds: [] };
const prompt = [3, 1, 4, 1, 5];

describe("sortedDrafter", () => {
  test("leaves the text as it is, whatever the thresholds", async () => {
    for (const temperature of [0, 0.8]) {
      const setting = { ...options, temperature, seed: 2 };
      const plain = await run(await target().createSequence(), prompt, setting);
      const depths = new Set<number>();
      for (const thresholds of [
        [0, 0],
        [0.3, 0.3],
        [0.5, 0.2],
        [2, 0],
        [2, 2],
      ]) {
        const exits = await openExits();
        const drafter = sortedDrafter({ exits, thresholds });
        const drafted = await run(await target().createSequence(), prompt, { ...setting, drafter });
        expect(drafted.tokens).toEqual(plain.tokens);
        depths.add(total(exits.map(({ steps }) => total(steps))));
      }
      expect(depths.size).toBe(5);
    }
  });

  test("is the plain draft model above 1, and its first exit at 0", async () => {
    for (const [thresholds, layers] of [
      [[2, 2], undefined],
      [
        [0, 0],
        [0, 1],
      ],
    ] as const) {
      const exits = await openExits();
      const plain = draftModel(await model(layers).createSequence());
      const [a, b] = [sortedDrafter({ exits, thresholds }), plain];
      const [left, right] = [
        await run(await target().createSequence(), prompt, { ...options, drafter: a }),
        await run(await target().createSequence(), prompt, { ...options, drafter: b }),
      ];
      const verified = ({ events }: typeof left) =>
        events.flatMap((event) => (event.type === "draft-verified" ? [event.accepted] : []));
      expect(verified(left)).toEqual(verified(right));
      const deep = total(exits.slice(1).map(({ steps }) => steps.length));
      expect(deep > 0).toBe(layers === undefined);
    }
  });

  test("is left usable by an abort at any moment", async () => {
    const plain = () => target().createSequence();
    await expectAbortable(plain, async (watch) => {
      const exits = (await openExits()).map(watch);
      const drafter = sortedDrafter({ exits, thresholds: [0.3, 0.3] });
      return { sequence: watch(await plain()), drafter };
    });
  });

  test("takes at most maxDraft tokens", async () => {
    const drafter = sortedDrafter({ exits: await openExits(), thresholds: [0, 0], maxDraft: 2 });
    const { events } = await run(await target().createSequence(), prompt, { ...options, drafter });
    const drafted = events.flatMap((e) => (e.type === "draft-verified" ? [e.drafted] : []));
    expect(Math.max(...drafted)).toBe(2);
  });

  test("refuses thresholds that do not fit the exits", async () => {
    const exits = await openExits();
    expect(() => sortedDrafter({ exits, thresholds: [1] })).toThrow(/thresholds/);
    expect(() => sortedDrafter({ exits, thresholds: [1, -1] })).toThrow(/thresholds/);
    expect(() => sortedDrafter({ exits: [], thresholds: [] })).toThrow(/exits/);
    expect(() => sortedDrafter({ exits, thresholds: [1, 1], maxDraft: 0 })).toThrow(/maxDraft/);
  });
});

describe("a sequence with exits", () => {
  test("answers from every depth as if all rows had gone there", async () => {
    const random = seededRandom(6);
    const whole = bounds.slice(1).map((to) => model([0, to]));
    const exits = await openExits();
    // Changes between steps: which exit answers is then the test's choice.
    const thresholds = [0, 0];
    const sequence = new ExitSequence(exits, thresholds);
    const text: number[] = [];
    for (let step = 0; step < 40; step++) {
      const depth = [0, 0, 0, 1, 1, 2][random.below(6)]!;
      for (const i of [0, 1]) thresholds[i] = i < depth ? 2 : 0;
      const tokens = random.tokens(1 + random.below(3), 32);
      const { logits } = await sequence.step({ tokens }, { logits: "last" });
      text.push(...tokens);
      const alone = await whole[depth]!.createSequence();
      const all = await alone.step({ tokens: Uint32Array.from(text) }, { logits: "last" });
      expectClose(logits!, all.logits!, 1e-5);
      if (random.below(3) > 0) continue;
      text.length -= random.below(Math.min(4, text.length));
      await sequence.keep(Uint32Array.from({ length: text.length }, (_, i) => i));
      expect(sequence.length).toBe(text.length);
    }
  });

  test("runs every row through a range at most once, however late", async () => {
    const exits = await openExits();
    const thresholds = [0, 0];
    const sequence = new ExitSequence(exits, thresholds);
    const step = () => sequence.step({ tokens: Uint32Array.of(1) }, { logits: "last" });
    for (let i = 0; i < 5; i++) await step();
    thresholds[0] = 2;
    await step();
    expect(exits.map(({ steps }) => steps)).toEqual([[1, 1, 1, 1, 1, 1], [6], []]);
    thresholds[1] = 2;
    await step();
    await step();
    expect(exits.map(({ steps }) => steps)).toEqual([
      [1, 1, 1, 1, 1, 1, 1, 1],
      [6, 1, 1],
      [7, 1],
    ]);
  });
});
