/** Calls the gateway over HTTP. */

import type { Figure, Handout, Picture, Turn } from "./turns.ts";

const TIMEOUT = 25_000;

export interface Reply {
  /** The HTTP status; 0: it was not reached, or not in time. */
  readonly status: number;
  readonly data: {
    readonly token?: string;
    readonly turn?: Turn;
    readonly error?: { readonly code: string };
  } | null;
}

export type Body = { readonly id: string; readonly after?: number } & Content;
export type Content =
  | { readonly text: string }
  | { readonly answers: Readonly<Record<string, unknown>> }
  | { readonly command: { readonly name: string; readonly question?: string } };

export class Gateway {
  readonly #base: URL;
  readonly #fetch: typeof fetch;
  token: string | null = null;

  /** `endpoint` is where the gateway's own page is, such as https://chat.clinic.example/. */
  constructor(endpoint: string, fetcher: typeof fetch = (...given) => fetch(...given)) {
    this.#base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
    this.#fetch = fetcher;
  }

  /** The whole address of a path that the gateway gave. */
  address(path: string): string {
    return new URL(path.replace(/^\//, ""), this.#base).href;
  }

  async #call(method: string, path: string, body?: object): Promise<Reply> {
    const headers: Record<string, string> = {};
    if (this.token) headers["Authorization"] = `Bearer ${this.token}`;
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await this.#fetch(this.address(`api/${path}`), {
        method, headers, signal: AbortSignal.timeout(TIMEOUT), credentials: "omit", referrerPolicy: "no-referrer",
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const data = await response.json().catch(() => null) as Reply["data"];
      // A page of some network's own, that stands for ours, is no answer.
      return { status: response.ok && !data ? 0 : response.status, data };
    } catch {
      return { status: 0, data: null };
    }
  }

  async #read<T>(path: string): Promise<T | null> {
    const { status, data } = await this.#call("GET", path);
    return status === 200 ? data as T : null;
  }

  words(): Promise<object | null> { return this.#read("words"); }
  figure(): Promise<Figure | null> { return this.#read("figure"); }
  pictures(): Promise<{ readonly pictures: readonly Picture[] } | null> { return this.#read("pictures"); }

  begin(as: { readonly code?: string; readonly patient?: string } = {}): Promise<Reply> {
    this.token = null;
    return this.#call("POST", "session", as);
  }

  turn(body: Body): Promise<Reply> { return this.#call("POST", "turn", body); }
  resume(): Promise<Reply & { readonly data: Turn | null }> { return this.#call("GET", "resume") as Promise<Reply & { data: Turn | null }>; }
  forget(): Promise<Reply> { return this.#call("POST", "forget"); }
  handout(): Promise<Reply & { readonly data: Handout | null }> { return this.#call("POST", "handout") as Promise<Reply & { data: Handout | null }>; }
}
