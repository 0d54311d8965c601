/**
 * What a key-value cache keeps and what it forgets.
 *
 * Policies are pure functions from lengths to slots; nothing here knows about models or devices.
 *
 * @module
 */
export {
  keepSinksAndRecent,
  sinksAndRecent,
  type SinksAndRecentOptions,
} from "./keep/sinks-and-recent.ts";
