/** What this tab remembers until it is closed: nothing stays on a shared computer. */

import type { Draft } from "./answers.ts";
import type { Body } from "./gateway.ts";
import type { Message } from "./turns.ts";

export interface Said {
  /** The question answered; null for typed words and commands. */
  readonly label: string | null;
  readonly answer: string;
}

/** One turn as it stands in the conversation so far. */
export interface Entry {
  readonly said: readonly Said[];
  readonly messages: readonly Message[];
  readonly heading: string;
}

export interface Unsent {
  /** The content, to know the same one again. */
  readonly key: string;
  readonly body: Body;
  readonly said: readonly Said[];
}

export interface Visit {
  readonly known: boolean;
  /** Whom the clinic's token named, so that the next patient at this computer does not go on here. */
  readonly who: string;
  readonly open: boolean;
  readonly number: number | null;
  readonly log: readonly Entry[];
  readonly screen: string | null;
  readonly drafts: Readonly<Record<string, Draft>>;
  readonly text: string;
  readonly unsent: Unsent | null;
}

const TOKEN = "plateau-token";
const VISIT = "plateau-visit";
// Of the conversation so far; the clinic has all of it.
const ENTRIES = 40;

export const NEW_VISIT: Visit = { known: false, who: "", open: false, number: null, log: [], screen: null, drafts: {}, text: "", unsent: null };

export class Memory {
  #store: Storage | null;
  /** One that takes nothing more, but still holds something. */
  #full: Storage | null = null;
  #held: { token: string | null; visit: Visit } = { token: null, visit: NEW_VISIT };

  /** `store` is null where the browser refuses storage: then a reload begins anew. */
  constructor(store: Storage | null) {
    this.#store = store;
  }

  /** The tab's own storage, or null where the browser refuses it. */
  static ofTab(): Memory {
    try {
      return new Memory(globalThis.sessionStorage);
    } catch {
      return new Memory(null);
    }
  }

  get token(): string | null {
    return this.#store ? this.#store.getItem(TOKEN) : this.#held.token;
  }

  set token(token: string | null) {
    this.#held.token = token;
    this.#write(TOKEN, token);
  }

  get visit(): Visit {
    if (!this.#store) return this.#held.visit;
    try {
      return { ...NEW_VISIT, ...JSON.parse(this.#store.getItem(VISIT) ?? "{}") as Partial<Visit> };
    } catch {
      return NEW_VISIT;
    }
  }

  set visit(visit: Visit) {
    this.#held.visit = { ...visit, log: visit.log.slice(-ENTRIES) };
    this.#write(VISIT, JSON.stringify(this.#held.visit));
  }

  clear(): void {
    this.token = null;
    this.#held.visit = NEW_VISIT;
    this.#write(VISIT, null);
  }

  /** Clear, and write nothing more: a reply that is still on its way leaves no trace. */
  close(): void {
    this.clear();
    this.#store = null;
  }

  #write(name: string, value: string | null): void {
    try {
      if (value === null) (this.#store ?? this.#full)?.removeItem(name);
      else this.#store?.setItem(name, value);
    } catch {
      // A store that takes nothing more: this page goes on, the conversation itself is at the clinic.
      this.#held.token ??= this.token;
      this.#full = this.#store;
      this.#store = null;
    }
  }
}
