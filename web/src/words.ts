/** The words of the page, from GET /api/words: the component has none of its own. */

interface Tree {
  readonly [step: string]: string | readonly string[] | Tree | undefined;
}

export interface Numbers {
  readonly emergency: string;
  readonly crisis: string;
  readonly advice: string;
}

const PHONE = /\+?\d(?:[\d ]*\d)?/g;

export type Part = string | { readonly call: string };
export type Block = { readonly line: string } | { readonly items: readonly string[] };

/** The address that calls a number. */
export const tel = (number: string): string => `tel:${number.replace(/[^\d+]/g, "")}`;

export class Words {
  readonly #tree: Tree;
  readonly #phones: ReadonlySet<string>;

  constructor(tree: unknown) {
    this.#tree = tree as Tree;
    const places = [this.here, ...Object.values(this.numbers)];
    this.#phones = new Set(places.flatMap(({ emergency, crisis, advice }) => [emergency, crisis, advice])
      .flatMap((text) => text?.match(PHONE) ?? []));
  }

  #at(path: string): unknown {
    return path.split(".").reduce<unknown>((node, step) => (node as Tree | undefined)?.[step], this.#tree);
  }

  /** The text at a path; "" where there is none. */
  get(path: string): string {
    const found = this.#at(path);
    return typeof found === "string" ? found : "";
  }

  list(path: string): readonly string[] {
    const found = this.#at(path);
    return Array.isArray(found) ? found : [];
  }

  /** The text at a path with its {placeholders} filled in; one without a value stays. */
  fill(path: string, values: object): string {
    return this.get(path).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = (values as Record<string, unknown>)[name];
      return value === undefined || value === null ? whole : String(value);
    });
  }

  /** The text of a path for one, or for many: `path.one` and `path.other` by the language's own rule. */
  count(path: string, number: number): string {
    const form = new Intl.PluralRules(this.get("language") || "en").select(number);
    return this.fill(this.get(`${path}.${form}`) ? `${path}.${form}` : `${path}.other`, { number });
  }

  get here(): Numbers & { readonly clinic: string; readonly phone: string } {
    return this.#at("here") as Numbers & { clinic: string; phone: string };
  }

  get numbers(): Readonly<Record<string, Numbers>> {
    return (this.#at("numbers") ?? {}) as Record<string, Numbers>;
  }

  date(iso: string | Date): string {
    return new Intl.DateTimeFormat(this.get("dates"), { dateStyle: "long" }).format(new Date(iso));
  }

  /** Cut a line at the phone numbers that we know. */
  parts(line: string): Part[] {
    const parts: Part[] = [];
    let from = 0;
    for (const { 0: number, index } of line.matchAll(PHONE)) {
      if (!this.#phones.has(number)) continue;
      parts.push(line.slice(from, index), { call: number });
      from = index + number.length;
    }
    return [...parts, line.slice(from)].filter((part) => part !== "");
  }

  /** The numbers that we know in a text, each once. */
  calls(text: string): string[] {
    return [...new Set((text.match(PHONE) ?? []).filter((number) => this.#phones.has(number)))];
  }
}

/** Split plain text into lines, and lists where lines start with "- ". */
export function prose(text: string): Block[] {
  const blocks: Block[] = [];
  for (const line of text.split("\n").map((part) => part.trim()).filter(Boolean)) {
    const last = blocks.at(-1);
    if (!line.startsWith("- ")) blocks.push({ line });
    else if (last && "items" in last) blocks[blocks.length - 1] = { items: [...last.items, line.slice(2)] };
    else blocks.push({ items: [line.slice(2)] });
  }
  return blocks;
}
