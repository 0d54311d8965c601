/** The element of the page with an id, which must be of the given kind. */
export function element<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`#${id}: expected an element of kind ${kind.name}`);
}
