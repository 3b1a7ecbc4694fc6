/** One patient's conversation as this tab knows it: what is shown, what is filled in, what is on its way. No page here. */

import { draftOf, isFilled, mayBeEmpty, read, shown, sided, type Draft, type Reading } from "./answers.ts";
import type { Body, Content, Gateway, Reply } from "./gateway.ts";
import { NEW_VISIT, type Entry, type Memory, type Said, type Unsent } from "./memory.ts";
import { inOrder, type Figure, type Handout, type Message, type Picture, type Question, type Screen, type Turn } from "./turns.ts";
import { Words } from "./words.ts";

// A question of more characters is named by its screen's title in the conversation so far.
const LONG = 140;
// Milliseconds before a turn that failed is tried again by itself: a server that restarts is back soon.
const WAITS = [400, 1200];
// A turn that took longer than this to fail is not tried again by itself: the patient has waited enough.
const QUICK = 5_000;
const SIGN_AFTER = 400;
const DOUBLE_PRESS = 700;
// Milliseconds after which a tab that is looked at again asks whether the conversation went on elsewhere.
const STALE_AFTER = 5_000;

export type TroubleName = "network" | "offline" | "not_saved" | "wait" | "busy" | "refused" | "ended" | "load" | "keep" | "forget";

export interface Trouble {
  readonly name: TroubleName;
  /** What is said although the turn was not saved: danger was heard. */
  readonly urgent: readonly Message[];
  readonly button: "errors.again" | "errors.retry" | "session.begin" | null;
  readonly action: () => unknown;
}

/** What has just been shown, for who watches: `gesture` says that it follows a press or key of the patient. */
export interface Arrival {
  readonly messages: readonly Message[];
  readonly gesture: boolean;
}

/** Who shows the conversation. */
export interface Watcher {
  changed(): void;
  arrived(arrival: Arrival): void;
  /** Something is to be mended: the question (null: the box for own words, or the code) and its control. */
  mend(question: string | null, at?: string): void;
  announce(text: string): void;
  /** There is no conversation here any more. */
  left(): void;
}

interface Clock {
  readonly wait: (milliseconds: number) => Promise<void>;
  readonly now: () => number;
  readonly id: () => string;
  readonly online: () => boolean;
}

const CLOCK: Clock = {
  wait: (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); }),
  now: () => Date.now(),
  id: () => crypto.randomUUID(),
  online: () => navigator.onLine,
};

const asQuestion = (question: Question, title: string): string => question.text.length > LONG ? title : question.text;

export class Conversation {
  words: Words | null = null;
  /** True: not even the words could be had. */
  failed = false;
  log: readonly Entry[] = [];
  screen: Screen | null = null;
  drafts: Readonly<Record<string, Draft>> = {};
  problems: Readonly<Record<string, Reading>> = {};
  text = "";
  textProblem = false;
  code = "";
  codeProblem: "" | "come_back.empty" | "come_back.wrong" = "";
  busy = false;
  /** Busy for so long that it is said. */
  slow = false;
  trouble: Trouble | null = null;
  handout: Handout | null = null;
  pictures: readonly Picture[] = [];
  figure: Figure | null = null;
  known = false;
  forgotten = false;

  readonly #gateway: Gateway;
  readonly #memory: Memory;
  readonly #watcher: Watcher;
  readonly #clock: Clock;
  #number: number | null = null;
  #unsent: Unsent | null = null;
  #heard = 0;
  #figureAsked = false;
  #who = "";

  constructor(gateway: Gateway, memory: Memory, watcher: Watcher, clock: Clock = CLOCK) {
    [this.#gateway, this.#memory, this.#watcher, this.#clock] = [gateway, memory, watcher, clock];
  }

  get running(): boolean { return this.#memory.token !== null; }

  /** Nothing is answered yet, and nobody has been recognised. */
  get atStart(): boolean {
    return this.screen?.kind === "questions" && !this.known && !this.screen.commands.includes("back")
      && this.screen.questions.every(({ current }) => current === null || current === undefined);
  }

  can(command: string): boolean { return Boolean(this.screen?.commands.includes(command)); }

  // ---- beginning, going on, ending

  async loadWords(): Promise<boolean> {
    if (this.words) return true;
    const words = await this.#gateway.words();
    this.words = words && new Words(words);
    this.failed = !words;
    return Boolean(words);
  }

  /** Go on where this tab was, or begin; `patient` gives the clinic's token for someone it knows. */
  async open(patient?: string): Promise<void> {
    if (this.screen || this.busy) return;
    let ended = false;
    const who = subject(patient);
    // Somebody else has signed in on this computer.
    if (who && this.#memory.token && this.#memory.visit.who && this.#memory.visit.who !== who) this.#leave();
    this.#who = who;
    await this.#whileBusy(async () => {
      this.trouble = null;
      const held = this.#memory.token;
      this.#gateway.token = held;
      const first = held ? this.#gateway.resume() : this.#gateway.begin(patient ? { patient } : {});
      const [fine, reply] = await Promise.all([this.loadWords(), first]);
      if (!fine) return;
      if (!held) await this.#begun(reply, patient);
      else ended = !this.#resumed(reply as Reply & { data: Turn | null });
    });
    if (ended) return this.begin("session.expired", false);
    if (this.#unsent) await this.#resend();
  }

  async #begun(reply: Reply, patient?: string, notice?: string, gesture = false): Promise<void> {
    if (patient && (reply.status === 400 || reply.status === 404)) {
      // The clinic's token has ended: the patient goes on as someone new, and is told.
      return this.#begun(await this.#gateway.begin(), undefined, "come_back.not_known", gesture);
    }
    if (reply.status !== 201) return this.#fail("load", "errors.retry", () => this.open(patient));
    this.#enter(reply, Boolean(patient), notice ?? (patient ? "come_back.greeted" : undefined), gesture);
  }

  /** Show where the conversation is; false: it has ended. */
  #resumed({ status, data }: Reply & { data: Turn | null }): boolean {
    if (status === 200 && data) {
      const visit = this.#memory.visit;
      [this.known, this.text] = [visit.known, visit.text];
      this.#unsent = visit.unsent;
      const same = visit.number !== null && visit.number === data.number;
      this.log = visit.log;
      // What is filled in stays, if it is still asked.
      const drafts = visit.screen === data.screen?.id ? visit.drafts : {};
      this.#show(data, { drafts, silent: same, said: this.#takenAfterAll(data) });
      return true;
    }
    if (status === 401) return false;
    this.#fail("load", "errors.retry", () => this.open());
    return true;
  }

  /** Open a new conversation. */
  begin(notice?: string, gesture = true): Promise<void> {
    return this.#whileBusy(async () => {
      this.#leave();
      await this.#begun(await this.#gateway.begin(), undefined, notice, gesture);
    });
  }

  #enter({ data }: Reply, known: boolean, notice: string | undefined, gesture: boolean): void {
    const { token, turn } = data!;
    // Who comes back by a code has perhaps filled in what is asked first of everybody.
    const drafts = this.screen && this.screen.id === turn!.screen?.id ? this.#touched() : {};
    this.#leave();
    this.#gateway.token = this.#memory.token = token!;
    this.known = known;
    const said = notice ? [{ id: `page.${notice}`, kind: "notice", text: this.words!.get(notice) }] : [];
    this.#show({ ...turn!, messages: [...said, ...turn!.messages] }, { gesture, drafts });
  }

  #leave(): void {
    const { open } = this.#memory.visit;
    this.#memory.clear();
    this.#memory.visit = { ...NEW_VISIT, open };
    this.#reset();
  }

  #reset(): void {
    this.#gateway.token = null;
    Object.assign(this, {
      log: [], screen: null, drafts: {}, problems: {}, text: "", textProblem: false, code: "", codeProblem: "", trouble: null,
      handout: null, pictures: [], known: false, forgotten: false,
    });
    this.#number = null;
    this.#unsent = null;
  }

  /** Begin again as someone known. Until the code is taken, nothing changes. */
  async comeBack(): Promise<void> {
    const code = this.code.trim();
    this.#codeIs(code ? "" : "come_back.empty");
    if (!code) return this.#watcher.mend(null, "code");
    const token = this.#gateway.token;
    await this.#whileBusy(async () => {
      this.trouble = null;
      const reply = await this.#gateway.begin({ code });
      if (reply.status === 201) return this.#enter(reply, true, "come_back.known", true);
      this.#gateway.token = token;
      if (reply.status !== 400 && reply.status !== 404) return this.#explain(reply, () => this.comeBack());
      this.#codeIs("come_back.wrong");
      this.#watcher.mend(null, "code");
    });
  }

  #codeIs(problem: Conversation["codeProblem"]): void {
    this.codeProblem = problem;
    if (problem) this.#watcher.announce(this.words!.get(problem));
    this.#watcher.changed();
  }

  /** Delete what the clinic holds of this patient. */
  async forget(): Promise<void> {
    await this.#idle();
    await this.#whileBusy(async () => {
      const { status } = await this.#gateway.forget();
      if (status !== 200) return this.#fail("forget", "errors.retry", () => this.forget());
      this.#leave();
      this.forgotten = true;
      this.#watcher.arrived({ messages: [], gesture: true });
    });
  }

  /** Begin anew in the same conversation, as the patient has confirmed. */
  async restart(): Promise<void> {
    await this.#idle();
    await this.command("restart");
  }

  /** What a patient has confirmed must not get lost because a turn is on its way. */
  async #idle(): Promise<void> {
    while (this.busy) await this.#clock.wait(50);
  }

  /** Take all traces from this tab; the answers stay at the clinic. */
  quit(): void {
    this.#leave();
    this.#memory.close();
    this.#watcher.changed();
  }

  /** Get links to the plan's pages and a code to come back. */
  async keep(): Promise<void> {
    await this.#whileBusy(async () => {
      this.trouble = null;
      const { status, data } = await this.#gateway.handout();
      if (status === 401) return this.#explain({ status, data: null }, () => this.keep());
      if (status !== 201 || !data) return this.#fail("keep", "errors.retry", () => this.keep());
      this.handout = data;
      this.#watcher.announce(this.words!.get("keep.ready"));
      this.#watcher.mend(null, "keep-heading");
    });
  }

  address(path: string): string { return this.#gateway.address(path); }

  /** The tab is looked at again, or the network is back: finish what is unsent, see what went on elsewhere. */
  async wake(): Promise<void> {
    if (this.busy) return;
    if (this.screen && this.#memory.token !== this.#gateway.token) return this.#gone();
    if (this.trouble && this.trouble.button && ["network", "offline", "load"].includes(this.trouble.name)) return void await this.trouble.action();
    if (this.failed || !this.running || !this.screen || this.#clock.now() - this.#heard < STALE_AFTER) return;
    const number = this.#number;
    const { status, data } = await this.#gateway.resume();
    // What this tab did meanwhile tells more.
    if (this.busy || !this.screen || this.#number !== number) return;
    this.#heard = this.#clock.now();
    if (status === 401) return this.begin("session.expired", false);
    if (status === 200 && data && data.number !== number) this.#wentOn(data);
  }

  /** The tab was left, or began anew, while this page slept: it shows nothing of before. */
  #gone(): void {
    this.#reset();
    this.#watcher.left();
  }

  /** What the patient said, if the turn answers what was thought unsent: then it was taken after all. */
  #takenAfterAll({ id }: Turn): readonly Said[] | undefined {
    const unsent = this.#unsent;
    if (!unsent || unsent.body.id !== id) return undefined;
    this.#unsent = null;
    // What was typed meanwhile is not sent yet.
    if ("text" in unsent.body && this.text.trim() === unsent.body.text) this.text = "";
    return unsent.said;
  }

  #wentOn(turn: Turn): void {
    const said = this.#takenAfterAll(turn);
    this.trouble = null;
    if (said) return this.#show(turn, { said });
    const notice = { id: "page.went_on", kind: "notice", text: this.words!.get("session.went_on") };
    this.#unsent = null;
    this.#show({ ...turn, messages: [notice, ...turn.messages] }, {});
  }

  // ---- filling in

  draft(question: string, draft: Draft): void {
    this.drafts = { ...this.drafts, [question]: { ...this.drafts[question], ...draft } };
    this.#edited("answers");
    this.#save();
    this.#watcher.changed();
  }

  type(text: string): void {
    this.text = text;
    this.textProblem = false;
    this.#edited("text");
    this.#save();
    this.#watcher.changed();
  }

  typeCode(code: string): void {
    this.code = code;
    this.#watcher.changed();
  }

  /** What could not be sent and is changed now is not sent as it was. */
  #edited(part: "answers" | "text"): void {
    if (this.busy || !this.#unsent || !(part in this.#unsent.body) || this.trouble?.urgent.length) return;
    this.#unsent = this.trouble = null;
  }

  set isOpen(open: boolean) { this.#memory.visit = { ...this.#memory.visit, open }; }
  get isOpen(): boolean { return this.#memory.visit.open; }

  #save(): void {
    // Without a screen nothing is known yet that could stand in place of what is remembered.
    if (!this.running || !this.screen) return;
    this.#memory.visit = {
      known: this.known, who: this.known ? this.#who || this.#memory.visit.who : "", open: this.isOpen, number: this.#number, log: this.log, screen: this.screen.id, drafts: this.#touched(),
      text: this.text, unsent: this.#unsent,
    };
  }

  /** What the patient has filled in, without what stood there before: that may be another answer by then. */
  #touched(): Readonly<Record<string, Draft>> {
    const before = Object.fromEntries(this.screen!.questions.map((question) => [question.id, JSON.stringify(draftOf(question))]));
    return Object.fromEntries(Object.entries(this.drafts).filter(([id, draft]) => JSON.stringify(draft) !== before[id]));
  }

  // ---- sending

  /** Continue: what is filled in, or what is typed below if nothing is. */
  submit(): Promise<void> {
    const questions = this.screen?.questions ?? [];
    const untouched = !questions.some((question) => isFilled(question, this.drafts[question.id] ?? {}));
    // The second half of a slow double press must not pass over what has just come.
    if (untouched && questions.every(mayBeEmpty) && this.#clock.now() - this.#heard < DOUBLE_PRESS) return Promise.resolve();
    return untouched && this.text.trim() ? this.say() : this.#answer();
  }

  /** Send what is filled in; `instead` ("unknown" or "skipped") stands for what is not, and asks for nothing more. */
  async #answer(instead?: "unknown" | "skipped"): Promise<void> {
    const questions = this.screen!.questions;
    const readings = questions.map((question) => [question, read(question, this.drafts[question.id] ?? {})] as const);
    const wrong = readings.filter(([question, { value, wrong }]) => wrong || (!instead && value === undefined && !mayBeEmpty(question)));
    this.problems = Object.fromEntries(wrong.map(([{ id }, reading]) => [id, reading]));
    if (wrong[0]) {
      this.#watcher.changed();
      return this.#watcher.mend(wrong[0][0].id, wrong[0][1].at);
    }
    const answers: Record<string, unknown> = {};
    const said: Said[] = [];
    for (const [question, { value }] of readings) {
      const tapped = this.drafts[question.id]?.side;
      const side = typeof value === "string" && sided(question, value) ? tapped : undefined;
      answers[question.id] = value ?? instead ?? "skipped";
      if (side) answers[question.sides!.question] = side;
      said.push({
        label: asQuestion(question, this.screen!.title),
        answer: value === undefined ? this.words!.get("answers.none_given") : shown(question, value, this.words!, side),
      });
    }
    await this.#send({ answers }, said);
  }

  command(name: string, row?: { readonly question: string; readonly label: string }): Promise<void> {
    const questions = this.screen?.questions ?? [];
    const passes = name === "skip" ? "skipped" : name === "dont_know" ? "unknown" : null;
    // The answers already filled in on this screen must not be lost with the ones passed over.
    if (passes && questions.length > 1 && questions.some((question) => read(question, this.drafts[question.id] ?? {}).value !== undefined)) {
      return this.#answer(passes);
    }
    const question = row?.question ?? (name === "why" && questions.length === 1 ? questions[0]!.id : undefined);
    const answer = row ? this.words!.fill("commands.change_what", row) : this.words!.get(`commands.${name}`);
    return this.#send({ command: question ? { name, question } : { name } }, [{ label: null, answer }]);
  }

  async say(): Promise<void> {
    const text = this.text.trim();
    this.textProblem = !text;
    if (text) return this.#send({ text }, [{ label: null, answer: text }]);
    this.#watcher.changed();
    this.#watcher.mend(null, "say-text");
  }

  /** Send one turn. The same content after a failure keeps its id, so that the gateway takes it only once. */
  async #send(content: Content, said: readonly Said[]): Promise<void> {
    if (this.busy) return;
    const key = JSON.stringify(content);
    if (this.#unsent?.key !== key) {
      const after = this.#number === null ? {} : { after: this.#number };
      this.#unsent = { key, said, body: { id: this.#clock.id(), ...after, ...content } };
    }
    this.#save();
    await this.#resend();
  }

  async #resend(): Promise<void> {
    const unsent = this.#unsent;
    if (!unsent) return;
    await this.#whileBusy(async () => {
      this.trouble = null;
      const reply = await this.#tried(unsent.body);
      if (reply.status === 409 && reply.data?.error?.code === "stale" && reply.data.turn) return this.#wentOn(reply.data.turn);
      if (reply.status !== 200) return this.#explain(reply, () => this.#resend());
      const turn = { ...reply.data as unknown as Turn, id: unsent.body.id };
      this.#show(turn, { said: this.#takenAfterAll(turn), gesture: true });
    });
  }

  async #tried(body: Body): Promise<Reply> {
    const began = this.#clock.now();
    let reply = await this.#gateway.turn(body);
    for (const pause of WAITS) {
      const busy = reply.status === 409 && reply.data?.error?.code !== "stale";
      const away = (reply.status === 0 && this.#clock.online()) || reply.status === 502 || reply.status === 504;
      if ((!busy && !away) || this.#clock.now() - began > QUICK) break;
      await this.#clock.wait(pause);
      reply = await this.#gateway.turn(body);
    }
    return reply;
  }

  #explain({ status, data }: Reply, again: () => unknown): void {
    const urgent = (data?.turn?.messages ?? []).filter(({ kind }) => kind === "emergency");
    const name = troubleOf(status, this.#clock.online());
    if (status === 400 || status === 413) {
      // It will never be taken; what is filled in stays on the screen.
      this.#unsent = null;
    }
    const button = name === "ended" ? "session.begin" : name === "refused" ? null : "errors.again";
    this.#fail(name, button, name === "ended" ? () => this.begin() : again, urgent);
  }

  #fail(name: TroubleName, button: Trouble["button"], action: Trouble["action"], urgent: readonly Message[] = []): void {
    this.trouble = { name, button, action, urgent };
    this.#save();
    this.#watcher.changed();
    if (urgent.length) this.#watcher.mend(null, "trouble-heading");
  }

  // ---- showing

  #show(turn: Turn, { said = [], gesture = false, drafts, silent = false }: {
    said?: readonly Said[] | undefined; gesture?: boolean; drafts?: Readonly<Record<string, Draft>>; silent?: boolean;
  }): void {
    const messages = inOrder(turn, this.words!.get("emergency.lead"));
    const before = this.screen;
    this.screen = turn.screen;
    this.#number = turn.number ?? null;
    this.#heard = this.#clock.now();
    this.problems = {};
    this.drafts = this.#draftsOf(turn.screen, before, drafts);
    if (!silent || !this.log.length) this.log = [...this.log, { said, messages, heading: turn.screen?.kind === "emergency" ? turn.screen.title : "" }];
    const plan = messages.some(({ kind }) => kind === "plan");
    // A new plan has no links yet.
    if (turn.screen?.kind !== "plan" || plan) [this.handout, this.pictures] = [null, []];
    this.#save();
    this.#watcher.changed();
    this.#watcher.arrived({ messages: silent ? [] : messages, gesture });
    if (turn.screen?.kind === "plan" && !this.pictures.length) void this.#loadPictures();
    if (!this.#figureAsked) void this.#loadFigure();
  }

  /** What the patient has filled in stays when the same questions come back (after "Why do you ask?", say),
      unless the gateway has since read another answer for them. */
  #draftsOf(next: Screen | null, before: Screen | null, held: Readonly<Record<string, Draft>> = {}): Readonly<Record<string, Draft>> {
    return Object.fromEntries((next?.questions ?? []).map((question) => {
      const old = before?.id === next?.id ? before?.questions.find(({ id }) => id === question.id) : undefined;
      const same = old && JSON.stringify(old.current) === JSON.stringify(question.current);
      return [question.id, (same ? this.drafts : held)[question.id] ?? draftOf(question)];
    }));
  }

  async #loadPictures(): Promise<void> {
    this.pictures = (await this.#gateway.pictures())?.pictures ?? [];
    this.#watcher.changed();
  }

  async #loadFigure(): Promise<void> {
    this.#figureAsked = true;
    this.figure = await this.#gateway.figure();
    this.#watcher.changed();
  }

  /** Run `work` with the typing sign if it takes long; what is pressed meanwhile is not taken. */
  async #whileBusy(work: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.#watcher.changed();
    let over = false;
    void this.#clock.wait(SIGN_AFTER).then(() => {
      if (over || !this.words) return;
      this.slow = true;
      this.#watcher.announce(this.words.get("typing"));
      this.#watcher.changed();
    });
    try {
      await work();
    } finally {
      over = true;
      this.busy = this.slow = false;
      this.#watcher.changed();
    }
  }
}

/** Whom a signed token names; "" where it cannot be read. The gateway checks it, this only tells two patients apart. */
function subject(token: string | undefined): string {
  try {
    const payload = token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    return String((JSON.parse(atob(payload)) as { sub?: unknown }).sub ?? "");
  } catch {
    return "";
  }
}

function troubleOf(status: number, online: boolean): TroubleName {
  if (status === 0) return online ? "network" : "offline";
  if (status === 401) return "ended";
  if (status === 409) return "busy";
  if (status === 429) return "wait";
  return status >= 500 ? "not_saved" : "refused";
}
