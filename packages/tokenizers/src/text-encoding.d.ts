// The one part of the Encoding standard this package uses. Every engine has it; `lib: es2022` does
// not name it, and `dom` would name far more than is there outside a browser.
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array, options?: { stream?: boolean }): string;
}
