/** What the tests put in the place of the page, the network, the clock and the tab's storage. */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { Conversation, type Arrival, type Watcher } from "../src/conversation.ts";
import { Gateway } from "../src/gateway.ts";
import { Memory } from "../src/memory.ts";
import type { Message, Question, Screen, Turn } from "../src/turns.ts";

export const ENDPOINT = "https://chat.example/";

export const WORDS = {
  language: "en",
  dates: "en-GB",
  typing: "One moment",
  answers: { list: ", ", none_given: "No answer", activity: "{activity}: {score} out of 10", sided: "{what}, {side}" },
  commands: { skip: "Skip", dont_know: "I don't know", why: "Why do you ask?", back: "Back", change_what: "Change: {label}" },
  come_back: { empty: "EMPTY", wrong: "WRONG", not_known: "NOT KNOWN", greeted: "GREETED", known: "KNOWN" },
  session: { went_on: "WENT ON", expired: "EXPIRED" },
  emergency: { lead: "Call now.", call: "Call {number}" },
  keep: { ready: "READY" },
  progress_left: { one: "{number} more page", other: "About {number} more pages" },
  signs: ["chest pain", "numbness"],
  here: { clinic: "Riverside", phone: "+1 555 0100", emergency: "911", crisis: "988 (call or text)", advice: "your doctor" },
  numbers: {
    us: { emergency: "911", crisis: "988 (call or text)", advice: "your doctor" },
    uk: { emergency: "999", crisis: "116 123 (Samaritans)", advice: "NHS 111" },
    au: { emergency: "000", crisis: "13 11 14 (Lifeline)", advice: "your doctor, or 1800 022 222" },
  },
};

// ---- storage

export class FakeStore {
  readonly held = new Map<string, string>();
  /** "write": every write throws, as in a full or a forbidden store. */
  broken: "" | "write" = "";
  getItem(name: string): string | null { return this.held.get(name) ?? null; }
  setItem(name: string, value: string): void {
    if (this.broken) throw new DOMException("full", "QuotaExceededError");
    this.held.set(name, value);
  }
  removeItem(name: string): void { this.held.delete(name); }
}

export const asStorage = (store: FakeStore): Storage => store as unknown as Storage;

// ---- time

/** Let everything go on that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 8; round += 1) await setImmediate();
}

export class FakeClock {
  time = 0;
  connected = true;
  ids = 0;
  waits: number[] = [];
  #timers: { at: number; ring: () => void }[] = [];

  wait = (milliseconds: number): Promise<void> => new Promise((ring) => {
    this.waits.push(milliseconds);
    this.#timers.push({ at: this.time + milliseconds, ring });
  });
  now = (): number => this.time;
  id = (): string => `id-${this.ids += 1}`;
  online = (): boolean => this.connected;

  async advance(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
      if (!next) break;
      this.time = next.at;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.ring();
      await settle();
    }
    this.time = until;
    await settle();
  }

  /** Wait for work, moving the clock on as far as the work waits for it. */
  async finish(work: Promise<unknown>): Promise<void> {
    let over = false;
    const ended = work.finally(() => { over = true; });
    ended.catch(() => {});
    for (let step = 0; step < 100; step += 1) {
      await settle();
      if (over) return void await ended;
      await this.advance(100);
    }
    assert.fail("The work did not end.");
  }
}

// ---- the server

export interface Call {
  readonly route: string;
  readonly url: string;
  readonly token: string | null;
  readonly body: Record<string, unknown> | null;
  readonly options: RequestInit;
}

/** "away": the server is not reached. A string as body is sent as it is. */
export type Scripted = "away" | { readonly status: number; readonly body: unknown };
export type Step = Scripted | Promise<Scripted>;

export class FakeServer {
  readonly calls: Call[] = [];
  readonly surprises: string[] = [];
  readonly #script = new Map<string, Step[]>();
  readonly #always = new Map<string, Scripted>([
    ["GET words", { status: 200, body: WORDS }],
    ["GET figure", { status: 200, body: { height: 1, views: {} } }],
  ]);

  /** What a route answers, one after the other. */
  will(route: string, ...steps: Step[]): void { this.#script.set(route, [...this.#script.get(route) ?? [], ...steps]); }
  always(route: string, answer: Scripted): void { this.#always.set(route, answer); }

  /** The next answer of a route waits until the test gives it. */
  hold(route: string): (answer: Scripted) => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<Scripted>();
    this.will(route, promise);
    return (answer) => { resolve(answer); return settle(); };
  }

  fetch = async (input: unknown, options: RequestInit = {}): Promise<Response> => {
    const url = String(input);
    const route = `${options.method ?? "GET"} ${url.replace(/^.*\/api\//, "")}`;
    const headers = new Headers(options.headers);
    this.calls.push({
      route, url, options,
      token: headers.get("Authorization")?.replace("Bearer ", "") ?? null,
      body: typeof options.body === "string" ? JSON.parse(options.body) : null,
    });
    const step = this.#script.get(route)?.shift() ?? this.#always.get(route);
    if (!step) this.surprises.push(route);
    const answer = await (step ?? "away");
    if (answer === "away") throw new TypeError("fetch failed");
    return new Response(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body), { status: answer.status });
  };

  to(route: string): Call[] { return this.calls.filter((call) => call.route === route); }
  get turns(): Record<string, unknown>[] { return this.to("POST turn").map(({ body }) => body!); }

  /** Everything scripted was asked for, and nothing else. */
  done(): void {
    assert.deepEqual(this.surprises, [], "asked for what was not scripted");
    assert.deepEqual([...this.#script].filter(([, steps]) => steps.length).map(([route]) => route), [], "scripted, but never asked for");
  }
}

// ---- who watches

export class FakeWatcher implements Watcher {
  readonly arrivals: Arrival[] = [];
  readonly mended: [string | null, string | undefined][] = [];
  readonly announced: string[] = [];
  changes = 0;
  changed(): void { this.changes += 1; }
  arrived(arrival: Arrival): void { this.arrivals.push(arrival); }
  mend(question: string | null, at?: string): void { this.mended.push([question, at]); }
  announce(text: string): void { this.announced.push(text); }
  left(): void {}
}

// ---- what the gateway sends

export const question = (id: string, more: Partial<Question> = {}): Question => ({
  id, kind: "choice", text: `${id}?`, current: null, options: [{ value: "yes", title: "Yes" }, { value: "no", title: "No" }], ...more,
});

export const screenOf = (id: string, questions: readonly Question[] = [question("pain")], more: Partial<Screen> = {}): Screen => ({
  id, title: id, kind: "questions", section: null, questions, commands: ["why", "skip", "dont_know"], ...more,
});

export const PLAN: Screen = { id: "plan", title: "Plan", kind: "plan", section: null, questions: [], commands: ["change", "restart"], rows: [] };

export const says = (text: string, kind = "text"): Message => ({ id: `say.${text}`, kind, text });

export const turnOf = (number: number, screen: Screen | null, messages: readonly Message[] = [], id = `server-${number}`): Turn => ({ id, number, messages, screen });

export const ok = (turn: Turn): Scripted => ({ status: 200, body: turn });
export const begun = (turn: Turn, token = "T1"): Scripted => ({ status: 201, body: { token, expires_in: 60, turn } });
export const error = (status: number, code: string, turn?: Turn): Scripted => ({ status, body: { error: { code, message: code }, ...(turn ? { turn } : {}) } });

// ---- one tab

export interface Tab {
  readonly server: FakeServer;
  readonly clock: FakeClock;
  readonly store: FakeStore;
  readonly watcher: FakeWatcher;
  readonly conversation: Conversation;
  /** The same tab after its page was loaded again. */
  reload(): Tab;
}

export function tab(server = new FakeServer(), store = new FakeStore(), clock = new FakeClock()): Tab {
  const watcher = new FakeWatcher();
  const gateway = new Gateway(ENDPOINT, server.fetch as typeof fetch);
  const conversation = new Conversation(gateway, new Memory(asStorage(store)), watcher, clock);
  return { server, clock, store, watcher, conversation, reload: () => tab(server, store, clock) };
}

export const FIRST = turnOf(1, screenOf("first"), [says("Hello.")]);

/** A tab whose conversation has begun, with the first turn or another one. */
export async function begunTab(first: Turn = FIRST): Promise<Tab> {
  const made = tab();
  made.server.will("POST session", begun(first));
  await made.clock.finish(made.conversation.open());
  return made;
}

/** What the conversation shows: a line for each entry, "said > messages". */
export const logged = ({ log }: Conversation): string[] =>
  log.map(({ said, messages }) => `${said.map(({ answer }) => answer).join("; ")} > ${messages.map(({ text }) => text).join(" | ")}`);

/** Numbers from 0 up to 1, the same on every run. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
