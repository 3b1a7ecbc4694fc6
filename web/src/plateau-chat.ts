/** `<plateau-chat>`: the chat on a clinic's page; docs/embed.md says how to use it. */

import { html, LitElement, nothing, unsafeCSS, type PropertyValues, type TemplateResult } from "lit";
import { Conversation, type Arrival, type Watcher } from "./conversation.ts";
import { Gateway } from "./gateway.ts";
import { Memory } from "./memory.ts";
import styles from "./plateau-chat.css";
import { confirmView, helpView, type Asked } from "./views/dialogs.ts";
import { spoken } from "./views/log.ts";
import { shellView, type Shell } from "./views/shell.ts";
import type { Words } from "./words.ts";

// This file is served from component/ below the gateway's address.
const OWN_ENDPOINT = document.currentScript instanceof HTMLScriptElement ? new URL("../", document.currentScript.src).href : document.baseURI;
// Narrower than this, the open bubble covers the page, so it is a modal dialog.
const NARROW = "(max-width: 40rem)";
const SPOKEN_FOR = 1000;

type PatientToken = string | (() => string | Promise<string>);

export class PlateauChat extends LitElement implements Watcher, Shell {
  static override styles = unsafeCSS(styles);
  static override properties = {
    endpoint: { type: String },
    mode: { type: String, reflect: true },
    patient: { type: String },
    opened: { state: true },
    asked: { state: true },
    copied: { state: true },
    offline: { state: true },
    gone: { state: true },
  };

  /** Where the gateway is; left out, it is where this script came from. */
  declare endpoint: string;
  /** "page" fills the place it is put in; "bubble" is a button that opens a window. */
  declare mode: "page" | "bubble";
  /** The clinic's signed token for the patient it knows, or a function that fetches one when it is needed. */
  declare patient: PatientToken | null;
  declare opened: boolean;
  declare asked: Asked | null;
  declare copied: "" | "keep.copied" | "keep.selected";
  declare offline: boolean;
  declare gone: boolean;
  conversation!: Conversation;

  readonly #narrow = matchMedia(NARROW);
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #arrival: Arrival | null = null;
  #toFocus: string | null = null;
  #live: HTMLElement | null = null;

  constructor() {
    super();
    this.endpoint = OWN_ENDPOINT;
    this.mode = "bubble";
    this.patient = null;
    this.opened = this.offline = this.gone = false;
    this.asked = null;
    this.copied = "";
    this.#narrow.onchange = () => this.requestUpdate();
  }

  get words(): Words { return this.conversation.words!; }
  get isPage(): boolean { return this.mode === "page"; }

  // ---- life

  override connectedCallback(): void {
    super.connectedCallback();
    for (const name of ["online", "offline", "pageshow"]) addEventListener(name, this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    if (!this.conversation) this.conversation = new Conversation(new Gateway(this.endpoint), Memory.ofTab(), this);
    void this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const name of ["online", "offline", "pageshow"]) removeEventListener(name, this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  async #start(): Promise<void> {
    if (this.isPage) return this.#begin();
    await this.conversation.loadWords();
    this.requestUpdate();
    // On the clinic's next page the conversation stands open as it was, unless it would cover that page.
    if (this.conversation.words && this.conversation.isOpen && this.conversation.running && !this.#narrow.matches) {
      this.opened = true;
      await this.#begin();
    }
  }

  async #begin(): Promise<void> {
    await this.conversation.open(this.patient ? await this.#token() : undefined);
  }

  async #token(): Promise<string | undefined> {
    try {
      return (typeof this.patient === "function" ? await this.patient() : this.patient) ?? undefined;
    } catch {
      // The clinic's own sign-in failed; the patient can still use the chat as someone new.
      return undefined;
    }
  }

  #wake = (): void => {
    this.offline = !navigator.onLine;
    if (!this.offline && document.visibilityState === "visible") void (this.conversation.failed ? this.#start() : this.conversation.wake());
  };

  // ---- what the conversation tells

  changed(): void { this.requestUpdate(); }

  arrived(arrival: Arrival): void {
    this.#arrival = arrival;
    this.copied = "";
    this.requestUpdate();
  }

  mend(question: string | null, at?: string): void {
    this.#toFocus = question === null ? `#${at}` : at ? `#${question}-${at}` : `[data-question="${question}"] :is(input, textarea, select)`;
    this.requestUpdate();
  }

  left(): void {
    this.opened = false;
    if (this.isPage) void this.#begin();
    else this.requestUpdate();
  }

  /** Say something to a screen reader without moving anything. */
  announce(text: string): void {
    const note = document.createElement("p");
    note.textContent = text;
    this.#live?.append(note);
    setTimeout(() => note.remove(), SPOKEN_FOR);
  }

  protected override updated(_changed: PropertyValues): void {
    this.#live = this.renderRoot.querySelector("#live");
    this.#place();
    if (this.#arrival) this.#show(this.#arrival);
    this.#arrival = null;
    if (!this.#toFocus) return;
    const target = this.#find(this.#toFocus);
    this.#toFocus = null;
    target?.focus();
    if (target?.matches("#keep-heading, #trouble-heading")) this.#reveal(target);
  }

  #show({ messages, gesture }: Arrival): void {
    const urgent = messages.some(({ kind }) => kind === "emergency");
    const plan = messages.some(({ kind }) => kind === "plan");
    const typing = this.#find("#say")?.contains(this.#active) ?? false;
    // A reply that comes late must not take the focus from the clinic's page.
    const here = this.#active !== null || document.activeElement === document.body;
    const moves = urgent || (gesture && here && !typing);
    const asked = moves ? [] : (this.conversation.screen?.questions ?? []).map(({ text }) => text);
    this.announce([...messages.map(spoken), ...asked].filter(Boolean).join("\n"));
    const entry = urgent ? this.#find(".entry.emergency.latest") : plan ? this.#find(".entry.plan.latest") : null;
    const heading = entry?.querySelector<HTMLElement>(".takes-focus") ?? this.#find("#step .takes-focus") ?? this.#find("#step");
    if (moves) heading?.focus({ preventScroll: true });
    const first = messages.some(({ kind }) => kind !== "question") ? this.#find(".entry.latest:not(.patient)") : null;
    if (moves || (gesture && here)) this.#reveal(entry ?? first ?? this.#find("#step"));
  }

  #reveal(element: HTMLElement | null): void {
    element?.scrollIntoView({ block: "start", behavior: this.#calm.matches ? "auto" : "smooth" });
  }

  #find(selector: string): HTMLElement | null { return this.renderRoot.querySelector<HTMLElement>(selector); }
  get #active(): Element | null { return this.shadowRoot?.activeElement ?? null; }

  // ---- the window of the bubble

  get #panel(): HTMLDialogElement | null { return this.renderRoot.querySelector<HTMLDialogElement>("#panel"); }
  get #interrupts(): boolean { return this.conversation.screen?.kind === "emergency"; }

  /** Bring the window into the state it should be in: an emergency covers everything, as every window does on a phone. */
  #place(): void {
    const panel = this.#panel;
    if (!panel) return;
    const modal = this.#interrupts || this.#narrow.matches;
    if (!this.opened) {
      if (panel.open) panel.close();
    } else if (!panel.open || modal !== panel.matches(":modal")) {
      const focused = this.#active as HTMLElement | null;
      const inner = panel.querySelector<HTMLDialogElement>("dialog[open]");
      inner?.close();
      if (panel.open) panel.close();
      if (modal) panel.showModal();
      // Not show(), which would take the focus from the clinic's page.
      else panel.open = true;
      if (inner?.id === "help" && !this.#interrupts) inner.showModal();
      focused?.focus({ preventScroll: true });
    }
  }

  async open(): Promise<void> {
    this.opened = true;
    this.conversation.isOpen = true;
    await this.updateComplete;
    this.#find("#step")?.focus();
    await this.#begin();
    await this.updateComplete;
    (this.#find("#step .takes-focus") ?? this.#find("#step"))?.focus({ preventScroll: true });
  }

  close(): void {
    this.opened = false;
    this.conversation.isOpen = false;
    void this.updateComplete.then(() => this.#find("#launcher")?.focus());
  }

  #keydown(event: KeyboardEvent): void {
    const inside = event.target instanceof Element && event.target.closest("dialog");
    if (event.key !== "Escape" || inside !== this.#panel) return;
    event.preventDefault();
    this.close();
  }

  // ---- what the patient does

  skipToStep(): void { this.#find("#step")?.focus(); }

  openHelp(): void { this.renderRoot.querySelector<HTMLDialogElement>("#help")?.showModal(); }
  restart(): void { void this.#ask("restart"); }
  forget(): void { void this.#ask("forget"); }
  printPlan(): void { print(); }

  async #ask(what: Asked): Promise<void> {
    this.asked = what;
    await this.updateComplete;
    const dialog = this.renderRoot.querySelector<HTMLDialogElement>("#confirm")!;
    dialog.returnValue = "no";
    dialog.showModal();
  }

  #answered(yes: boolean): void {
    const asked = this.asked;
    this.asked = null;
    if (yes && asked === "restart") void this.conversation.restart();
    if (yes && asked === "forget") void this.conversation.forget();
  }

  /** For a patient who must not be seen here: nothing stays in this tab, and Back does not lead here again. */
  quickExit(): void {
    const away = this.words.get("exit_link");
    this.gone = true;
    this.conversation.quit();
    location.replace(away);
  }

  async copyCode(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.conversation.handout!.code);
      this.copied = "keep.copied";
    } catch {
      getSelection()?.selectAllChildren(this.#find(".code")!);
      this.copied = "keep.selected";
    }
  }

  // ---- rendering

  protected override render(): TemplateResult | typeof nothing {
    if (this.gone) return nothing;
    // What the clinic put between the tags, such as its phone number, stands for a chat that cannot start.
    if (this.conversation.failed) return html`<div role="alert"><slot></slot></div>`;
    if (!this.conversation.words) return this.isPage ? html`<slot name="loading"></slot>` : nothing;
    const live = html`<div id="live" class="visually-hidden" aria-live="polite"></div>`;
    const dialogs = html`${helpView(this.words)}${confirmView(this.asked, this.words, (yes) => this.#answered(yes))}`;
    if (this.isPage) return html`${shellView(this)}${dialogs}${live}`;
    const label = this.words.get(this.conversation.running ? "launcher.resume" : "launcher.open");
    return html`
      <button type="button" id="launcher" aria-haspopup="dialog" aria-expanded=${this.opened ? "true" : "false"} ?hidden=${this.opened} @click=${() => this.open()}>
        ${mark}<span>${label}</span>
      </button>
      <dialog id="panel" class=${this.#interrupts ? "interrupts" : ""} aria-labelledby="heading" @keydown=${this.#keydown}
          @close=${(event: Event) => { if (event.target === event.currentTarget && this.opened && !this.#panel?.open) this.close(); }}
          @cancel=${(event: Event) => { if (event.target === event.currentTarget) { event.preventDefault(); this.close(); } }}>
        ${shellView(this)}${dialogs}${live}
      </dialog>`;
  }
}

const mark = html`<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><path d="M3 18l5-7h6l6-7M15 4h5v5" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"></path></svg>`;

if (!customElements.get("plateau-chat")) customElements.define("plateau-chat", PlateauChat);
