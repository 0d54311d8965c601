import { protobufFields } from "./protobuf-reader.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** Numbers of the fields on the way to the name of a file. */
const path = { graph: 7, initializer: 5, externalData: 13 } as const;

/**
 * A model whose external data lie in other files: `rename` gives the new name of each.
 *
 * Fields are copied as they are, known or not; only the entries that hold a location are written
 * anew. Cost: a copy of the model, without the weights that lie outside.
 *
 * @throws {@link InferenceError} `format` if the bytes are no model.
 */
export function relocateWeights(
  model: Uint8Array,
  rename: (location: string) => string,
): Uint8Array {
  const entry = (bytes: Uint8Array): Uint8Array => renameEntry(bytes, rename);
  const tensor = (bytes: Uint8Array): Uint8Array => rewrite(bytes, path.externalData, entry);
  const graph = (bytes: Uint8Array): Uint8Array => rewrite(bytes, path.initializer, tensor);
  return rewrite(model, path.graph, graph);
}

/** A message in which one kind of submessage is replaced. */
function rewrite(
  message: Uint8Array,
  field: number,
  replace: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const writer = new ProtobufWriter();
  for (const one of protobufFields(message)) {
    if (one.field === field) writer.bytes(field, replace(one.bytes));
    else writer.raw(one.raw);
  }
  return writer.finish();
}

function renameEntry(entry: Uint8Array, rename: (location: string) => string): Uint8Array {
  const text = new TextDecoder();
  const isLocation = [...protobufFields(entry)].some(
    ({ field, bytes }) => field === 1 && text.decode(bytes) === "location",
  );
  if (!isLocation) return entry;
  const writer = new ProtobufWriter();
  for (const { field, bytes, raw } of protobufFields(entry)) {
    if (field === 2) writer.string(2, rename(text.decode(bytes)));
    else writer.raw(raw);
  }
  return writer.finish();
}
