/**
 * Why the SDK refused to go on.
 *
 * - `shape`: two buffers disagree about their dimensions.
 * - `range`: a number lies outside its documented interval.
 * - `format`: a file or a string is not what its format prescribes.
 * - `state`: a method was called in the wrong order, or after `dispose`.
 * - `unsupported`: the model or the device cannot do what was asked.
 * - `backend`: the inference runtime, the file system or the network failed; the original error is
 *   the `cause`.
 */
export type InferenceErrorCode = "shape" | "range" | "format" | "state" | "unsupported" | "backend";

/** The only error this SDK throws on purpose. Branch on `code`, never on `message`. */
export class InferenceError extends Error {
  override readonly name = "InferenceError";
  readonly code: InferenceErrorCode;

  constructor(code: InferenceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /**
   * Like `instanceof`, but also true for an error thrown by another installed copy of this
   * package: two packages that resolve two versions of it have two classes.
   */
  static is(value: unknown, code?: InferenceErrorCode): value is InferenceError {
    const error = value as Partial<InferenceError> | null | undefined;
    return error?.name === "InferenceError" && (code === undefined || error.code === code);
  }
}
