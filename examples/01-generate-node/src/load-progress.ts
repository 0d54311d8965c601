import type { DownloadProgress, LoadProgress } from "@frugal/runtime-node";
import { SingleBar } from "cli-progress";

/** A bar on a terminal's standard error while models are loaded; nothing elsewhere. */
export function loadProgress(wanted: boolean): {
  for(name: string): (progress: DownloadProgress | LoadProgress) => void;
  stop(): void;
} {
  const shown = wanted && process.stderr.isTTY;
  const bar = new SingleBar({
    format: "{name}: {phase} [{bar}] {percentage}%",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  return {
    for: (name) => (progress) => {
      if (!shown) return;
      const payload = { name, phase: progress.phase };
      if (!started) bar.start(1, 0, payload);
      started = true;
      bar.update(progress.fraction, payload);
    },
    stop: () => {
      if (started) bar.stop();
    },
  };
}
