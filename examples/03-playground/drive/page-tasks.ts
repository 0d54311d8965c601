import type { Page } from "playwright";

/** What the page's thread did during a piece of work. */
export interface PageTasks {
  /** Milliseconds of tasks that took 50 or more by the clock, from the Long Tasks API. */
  readonly long: readonly number[];
  /** Most milliseconds that a task had a processor for; waiting for one does not count. */
  readonly busiestMs: number;
}

/** Does something with the page, and watches the tasks of its thread meanwhile. */
export async function watchTasks(page: Page, act: () => Promise<unknown>): Promise<PageTasks> {
  const browser = page.context().browser()!;
  await page.evaluate(observe);
  await browser.startTracing(page, { categories: ["toplevel"] });
  await act();
  const trace = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] };
  return { long: await page.evaluate(observed), busiestMs: busiestTask(trace.traceEvents) };
}

/** What the observer leaves on the page. */
interface Observed {
  longTasks: PerformanceObserver;
  durations: number[];
}

function observe(): void {
  const durations: number[] = [];
  const longTasks = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) durations.push(duration);
  });
  longTasks.observe({ type: "longtask" });
  Object.assign(globalThis, { longTasks, durations });
}

function observed(): number[] {
  const { longTasks, durations } = globalThis as unknown as Observed;
  // What was observed and not yet handed over.
  const rest = longTasks.takeRecords().map(({ duration }) => duration);
  longTasks.disconnect();
  return [...durations, ...rest];
}

/** An event of Chromium's trace; `tdur` are microseconds of processor time. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

function busiestTask(events: readonly TraceEvent[]): number {
  const thread = ({ pid, tid }: TraceEvent): string => `${pid} ${tid}`;
  const isPage = (event: TraceEvent): boolean =>
    event.name === "thread_name" && event.args.name === "CrRendererMain";
  const pages = new Set(events.filter(isPage).map(thread));
  const tasks = events.filter(
    (event) =>
      event.name.endsWith("RunTask") && event.tdur !== undefined && pages.has(thread(event)),
  );
  if (tasks.length === 0) throw new Error("trace: expected tasks of the page, got none");
  return tasks.reduce((most, { tdur }) => Math.max(most, tdur!), 0) / 1000;
}
