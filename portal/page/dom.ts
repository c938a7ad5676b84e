/** Finding what index.html holds. A missing element is a bug of the page, and says so. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** The same, of one kind. */
export function elementOf<Kind extends HTMLElement>(kind: new () => Kind, id: string): Kind {
  const element = byId(id);
  if (element instanceof kind) return element;
  throw new Error(`#${id} is no ${kind.name}`);
}

/** Text from elsewhere as one line of bounded length, without what could reorder or hide it. */
export function plainLine(text: string, charactersMax: number): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').slice(0, charactersMax);
}
