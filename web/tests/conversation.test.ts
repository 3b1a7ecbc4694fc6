import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Conversation } from "../src/conversation.ts";
import type { Question, Turn } from "../src/turns.ts";
import {
  begun, begunTab, error, FIRST, logged, ok, PLAN, question, says, screenOf, settle, tab, turnOf, type Scripted, type Tab,
} from "./_fakes.ts";

const SECOND = turnOf(2, screenOf("second", [question("sleep")]), [says("Thanks.")]);
const THIRD = turnOf(3, screenOf("third", [question("goal", { kind: "text", options: undefined! })]), [says("Good.")]);
const DANGER = turnOf(0, null, [says("Call 911 now.", "emergency"), says("This was not saved.", "urgent")]);
const EXPIRED = error(401, "bad_token");
const UNREACHED: Scripted = "away";
// A turn is tried three times by itself.
const AWAY: Scripted[] = [UNREACHED, UNREACHED, UNREACHED];
const BUSY = error(409, "busy");

const texts = ({ watcher }: Tab): string[] => watcher.arrivals.at(-1)!.messages.map(({ text }) => text);
const trouble = ({ conversation }: Tab): [string, string | null] | null => conversation.trouble && [conversation.trouble.name, conversation.trouble.button];
const retry = (one: Tab): Promise<void> => one.clock.finish(Promise.resolve(one.conversation.trouble!.action()));
const press = (one: Tab, work: Promise<unknown>): Promise<void> => one.clock.finish(work);
const pick = (one: Tab, id: string, value: string): void => one.conversation.draft(id, { picked: [value] });
const ids = ({ server }: Tab): unknown[] => server.turns.map(({ id }) => id);

/** A tab that sent "yes" to the first screen, and was answered so. */
async function answered(...replies: Scripted[]): Promise<Tab> {
  const one = await begunTab();
  one.server.will("POST turn", ...replies);
  pick(one, "pain", "yes");
  await press(one, one.conversation.submit());
  return one;
}

/** The tab after a reload, when the gateway answers `resume` so. */
async function reloaded(before: Tab, ...replies: Scripted[]): Promise<Tab> {
  before.server.will("GET resume", ...replies);
  const one = before.reload();
  await press(one, one.conversation.open());
  return one;
}

describe("beginning", () => {
  test("shows the first turn and keeps the token in the tab", async () => {
    const one = await begunTab();
    assert.deepEqual(one.server.to("POST session").map(({ body, token }) => [body, token]), [[{}, null]]);
    assert.deepEqual(logged(one.conversation), [" > Hello."]);
    assert.equal(one.conversation.screen?.id, "first");
    assert.equal(one.store.getItem("plateau-token"), "T1");
    assert.deepEqual(one.conversation.drafts, { pain: { picked: [] } });
    assert.deepEqual([one.conversation.running, one.conversation.known, one.conversation.atStart, one.conversation.busy], [true, false, true, false]);
    assert.equal(one.watcher.arrivals[0]?.gesture, false, "nobody pressed anything");
    assert.ok(one.conversation.figure, "the body to tap on is loaded");
    one.server.done();
  });

  test("what the screen asks is not said as a message too, and an emergency is said first", async () => {
    const one = await begunTab(turnOf(1, screenOf("first"), [says("Hello."), says("pain?", "question"), says("Call 911.", "emergency")]));
    assert.deepEqual(logged(one.conversation), [" > Call 911. | Hello."]);
  });

  test("an emergency screen always says what to do", async () => {
    const one = await begunTab(turnOf(1, { ...PLAN, id: "emergency", kind: "emergency", title: "Call 911 now" }, [says("We stopped.")]));
    assert.deepEqual(logged(one.conversation), [" > Call now. | We stopped."]);
    assert.equal(one.conversation.log[0]?.heading, "Call 911 now");
  });

  const fails: readonly [string, Scripted][] = [["not reached", "away"], ["429", error(429, "too_many")], ["503", error(503, "unavailable")], ["500", error(500, "unexpected")]];
  for (const [name, answer] of fails) {
    test(`${name}: says so, and begins when tried again`, async () => {
      const one = tab();
      one.server.will("POST session", answer, begun(FIRST));
      await press(one, one.conversation.open());
      assert.deepEqual(trouble(one), ["load", "errors.retry"]);
      assert.deepEqual([one.conversation.screen, one.conversation.running], [null, false]);
      await retry(one);
      assert.equal(trouble(one), null);
      assert.equal(one.conversation.screen?.id, "first");
      one.server.done();
    });
  }

  test("without words nothing can be said, until they come", async () => {
    const one = tab();
    one.server.always("GET words", "away");
    one.server.will("POST session", begun(FIRST), begun(FIRST));
    await press(one, one.conversation.open());
    assert.deepEqual([one.conversation.failed, one.conversation.words, one.conversation.screen], [true, null, null]);
    one.server.will("GET words", { status: 200, body: { here: {}, commands: {} } });
    await press(one, one.conversation.open());
    assert.deepEqual([one.conversation.failed, one.conversation.screen?.id], [false, "first"]);
  });

  test("two openings begin once, and one that has begun is not begun again", async () => {
    const one = tab();
    one.server.will("POST session", begun(FIRST));
    await press(one, Promise.all([one.conversation.open(), one.conversation.open()]));
    await press(one, one.conversation.open());
    assert.equal(one.server.to("POST session").length, 1);
  });

  test("a long wait is shown and said once, a short one is not", async () => {
    const one = tab();
    const answer = one.server.hold("POST session");
    const opening = one.conversation.open();
    await one.clock.advance(399);
    assert.deepEqual([one.conversation.busy, one.conversation.slow, one.watcher.announced], [true, false, []]);
    await one.clock.advance(1);
    assert.deepEqual([one.conversation.slow, one.watcher.announced], [true, ["One moment"]]);
    await answer(begun(FIRST));
    await opening;
    assert.deepEqual([one.conversation.busy, one.conversation.slow], [false, false]);
    one.server.will("POST turn", ok(SECOND));
    await one.conversation.command("skip");
    await one.clock.advance(5000);
    assert.deepEqual([one.conversation.slow, one.watcher.announced], [false, ["One moment"]]);
  });
});

describe("beginning as someone the clinic knows", () => {
  test("is greeted, and needs no code", async () => {
    const one = tab();
    one.server.will("POST session", begun(FIRST));
    await press(one, one.conversation.open("P"));
    assert.deepEqual(one.server.to("POST session").map(({ body }) => body), [{ patient: "P" }]);
    assert.deepEqual(logged(one.conversation), [" > GREETED | Hello."]);
    assert.deepEqual([one.conversation.known, one.conversation.atStart], [true, false]);
  });
  for (const refused of [error(404, "bad_code"), error(400, "bad_field")]) {
    test(`a token refused with ${(refused as { status: number }).status}: begins as new, and says so`, async () => {
      const one = tab();
      one.server.will("POST session", refused, begun(FIRST));
      await press(one, one.conversation.open("P"));
      assert.deepEqual(one.server.to("POST session").map(({ body }) => body), [{ patient: "P" }, {}]);
      assert.deepEqual(logged(one.conversation), [" > NOT KNOWN | Hello."]);
      assert.deepEqual([one.conversation.known, one.conversation.atStart, trouble(one)], [false, true, null]);
    });
  }
  test("not reached: tried again with the same token, not as someone new", async () => {
    const one = tab();
    one.server.will("POST session", "away", begun(FIRST));
    await press(one, one.conversation.open("P"));
    await retry(one);
    assert.deepEqual(one.server.to("POST session").map(({ body }) => body), [{ patient: "P" }, { patient: "P" }]);
    assert.equal(one.conversation.known, true);
  });
});

describe("going on after a reload", () => {
  test("the same turn: the conversation so far is there, once, and nothing is said again", async () => {
    const before = await answered(ok(SECOND));
    const one = await reloaded(before, ok(SECOND));
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
    assert.equal(one.server.to("GET resume")[0]?.token, "T1");
    assert.equal(one.conversation.screen?.id, "second");
    assert.deepEqual(one.watcher.arrivals, [{ messages: [], gesture: false }]);
    assert.equal(one.server.turns.length, 1);
    one.server.done();
  });
  test("twice the same turn: still once", async () => {
    const one = await reloaded(await reloaded(await answered(ok(SECOND)), ok(SECOND)), ok(SECOND));
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
  });
  test("a newer turn is added to the conversation so far", async () => {
    const one = await reloaded(await begunTab(), ok(SECOND));
    assert.deepEqual(logged(one.conversation), [" > Hello.", " > Thanks."]);
    assert.deepEqual(texts(one), ["Thanks."]);
  });
  test("what was filled in and typed is still there", async () => {
    const before = await begunTab();
    pick(before, "pain", "no");
    before.conversation.type("my kn");
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual([one.conversation.drafts, one.conversation.text], [{ pain: { picked: ["no"] } }, "my kn"]);
  });
  test("what was filled in for another screen is not", async () => {
    const before = await begunTab();
    pick(before, "pain", "no");
    const one = await reloaded(before, ok(turnOf(2, screenOf("other"))));
    assert.deepEqual(one.conversation.drafts, { pain: { picked: [] } });
  });
  test("on the same screen, an answer that the gateway has since read is shown where nothing was filled in", async () => {
    const two = (pain: string | null): Question[] => [question("pain", { current: pain }), question("sleep")];
    const before = await begunTab(turnOf(1, screenOf("first", two(null))));
    pick(before, "sleep", "no");
    const one = await reloaded(before, ok(turnOf(2, screenOf("first", two("yes")))));
    assert.deepEqual(one.conversation.drafts, { pain: { picked: ["yes"] }, sleep: { picked: ["no"] } });
  });
  test("on the same screen, an answer that the gateway has since read anew is shown where nothing was touched", async () => {
    const asked = (number: number, current: string): Turn => turnOf(number, screenOf("first", [question("pain", { current })]));
    const before = await begunTab(asked(1, "yes"));
    before.conversation.type("no, it does not hurt");
    const one = await reloaded(before, ok(asked(2, "no")));
    assert.deepEqual(one.conversation.drafts, { pain: { picked: ["no"] } });
  });
  test("it is remembered that the patient is known, and that the window is open", async () => {
    const before = tab();
    before.server.will("POST session", begun(FIRST));
    await press(before, before.conversation.open("P"));
    before.conversation.isOpen = true;
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual([one.conversation.known, one.conversation.isOpen, one.conversation.atStart], [true, true, false]);
  });
  test("a conversation that has ended: begins anew, and says so", async () => {
    const before = await answered(ok(SECOND));
    before.server.will("POST session", begun(FIRST, "T2"));
    const one = await reloaded(before, EXPIRED);
    assert.deepEqual(logged(one.conversation), [" > EXPIRED | Hello."]);
    assert.equal(one.store.getItem("plateau-token"), "T2");
    assert.equal(one.watcher.arrivals[0]?.gesture, false);
    one.server.done();
  });

  const away: readonly [string, Scripted][] = [["not reached", "away"], ["429", error(429, "too_many")], ["503", error(503, "unavailable")], ["500", error(500, "unexpected")]];
  for (const [name, answer] of away) {
    test(`${name}: the conversation is not lost, and is there when tried again`, async () => {
      const before = await answered(ok(SECOND));
      pick(before, "sleep", "no");
      before.conversation.type("my kn");
      const one = await reloaded(before, answer, ok(SECOND));
      assert.deepEqual(trouble(one), ["load", "errors.retry"]);
      assert.equal(one.store.getItem("plateau-token"), "T1");
      await retry(one);
      assert.equal(trouble(one), null);
      assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
      assert.deepEqual([one.conversation.drafts, one.conversation.text], [{ sleep: { picked: ["no"] } }, "my kn"]);
      one.server.done();
    });
  }
  test("not reached: an unsent turn is not lost either", async () => {
    const before = await answered(...AWAY);
    const one = await reloaded(before, "away", ok(FIRST));
    one.server.will("POST turn", ok(SECOND));
    await retry(one);
    assert.deepEqual([...new Set(ids(one))], ["id-1"]);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
  });
  test("not reached: goes on by itself when the tab is looked at again", async () => {
    const one = await reloaded(await answered(ok(SECOND)), "away", ok(SECOND));
    await press(one, one.conversation.wake());
    assert.deepEqual([one.conversation.screen?.id, trouble(one)], ["second", null]);
  });
  test("without storage the same page goes on, and a reload begins anew", async () => {
    const one = tab();
    one.store.broken = "write";
    one.server.will("POST session", begun(FIRST), begun(FIRST, "T2"));
    await press(one, one.conversation.open());
    assert.equal(one.conversation.running, true);
    one.server.will("POST turn", ok(SECOND));
    pick(one, "pain", "yes");
    await press(one, one.conversation.submit());
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
    const after = one.reload();
    await press(after, after.conversation.open());
    assert.deepEqual(logged(after.conversation), [" > Hello."]);
  });
});

describe("an unsent turn at a reload", () => {
  test("is sent once more under the same id, and shown with what was said", async () => {
    const before = await answered(...AWAY);
    before.server.will("POST turn", ok(SECOND));
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual(one.server.turns.at(-1), { id: "id-1", after: 1, answers: { pain: "yes" } });
    assert.equal(one.server.turns.length, 4);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
    one.server.will("GET resume", ok(SECOND));
    const again = one.reload();
    await press(again, again.conversation.open());
    assert.equal(again.server.turns.length, 4, "and never again");
    one.server.done();
  });
  test("that was on its way is sent as well", async () => {
    const before = await begunTab();
    before.server.hold("POST turn");
    pick(before, "pain", "yes");
    void before.conversation.submit();
    await settle();
    before.server.will("POST turn", ok(SECOND));
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual(ids(one), ["id-1", "id-1"]);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
  });
  test("that was taken after all is shown once, with what was said", async () => {
    const before = await answered(...AWAY);
    const taken = { ...SECOND, id: "id-1" };
    // The gateway gives the same reply to the same id.
    before.server.always("POST turn", ok(taken));
    const one = await reloaded(before, ok(taken));
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
    assert.deepEqual([...new Set(ids(one))], ["id-1"]);
    assert.equal(one.conversation.screen?.id, "second");
  });
  test("that fails again keeps its id when the patient sends the same", async () => {
    const before = await answered(...AWAY);
    before.server.will("POST turn", ...AWAY, ok(SECOND));
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual(trouble(one), ["network", "errors.again"]);
    await press(one, one.conversation.submit());
    assert.deepEqual([...new Set(ids(one))], ["id-1"]);
  });
  test("of typed words leaves the box empty once they are taken", async () => {
    const before = await begunTab();
    before.server.will("POST turn", ...AWAY, ok(SECOND));
    before.conversation.type("my knee");
    await press(before, before.conversation.say());
    assert.equal(before.conversation.text, "my knee");
    const one = await reloaded(before, ok(FIRST));
    assert.deepEqual([one.conversation.text, logged(one.conversation).at(-1)], ["", "my knee > Thanks."]);
  });
});

describe("what is sent", () => {
  const two = screenOf("first", [question("pain"), question("goal", { kind: "text", optional: true, options: undefined! })]);
  const sided = screenOf("first", [question("region", {
    options: [{ value: "knee", title: "Knee" }, { value: "back", title: "Back" }],
    sides: { question: "side", values: ["knee"], titles: { left: "left side", right: "right side" } },
  })]);
  const typed = screenOf("first", [question("weeks", { kind: "number", min: 0, max: 520, unit: "weeks", options: undefined! })]);
  const submit = (conversation: Conversation): Promise<void> => conversation.submit();
  const cases: readonly [string, Turn["screen"], (one: Conversation) => void, (one: Conversation) => Promise<void>, object, string][] = [
    ["an answer", screenOf("first"), (one) => one.draft("pain", { picked: ["no"] }), submit, { answers: { pain: "no" } }, "No"],
    ["an optional text left empty", two, (one) => one.draft("pain", { picked: ["no"] }), submit, { answers: { pain: "no", goal: "skipped" } }, "No; No answer"],
    ["both", two, (one) => { one.draft("pain", { picked: ["no"] }); one.draft("goal", { typed: " run " }); }, submit, { answers: { pain: "no", goal: "run" } }, "No; run"],
    ["a number with its unit", typed, (one) => one.draft("weeks", { typed: "8 weeks" }), submit, { answers: { weeks: 8 } }, "8 weeks"],
    ["a place with its side", sided, (one) => one.draft("region", { picked: ["knee"], side: "left" }), submit, { answers: { region: "knee", side: "left" } }, "Knee, left side"],
    ["a place without its side", sided, (one) => one.draft("region", { picked: ["knee"] }), submit, { answers: { region: "knee" } }, "Knee"],
    ["a place that has no sides", sided, (one) => one.draft("region", { picked: ["back"], side: "left" }), submit, { answers: { region: "back" } }, "Back"],
    ["words typed below", screenOf("first"), (one) => one.type(" it hurts "), (one) => one.say(), { text: "it hurts" }, "it hurts"],
    ["Continue with only words typed below", screenOf("first"), (one) => one.type("it hurts"), submit, { text: "it hurts" }, "it hurts"],
    ["Continue with both: what is filled in", screenOf("first"), (one) => { one.draft("pain", { picked: ["no"] }); one.type("it hurts"); }, submit, { answers: { pain: "no" } }, "No"],
    ["a move", screenOf("first"), () => {}, (one) => one.command("skip"), { command: { name: "skip" } }, "Skip"],
    ["why, of the one question", screenOf("first"), () => {}, (one) => one.command("why"), { command: { name: "why", question: "pain" } }, "Why do you ask?"],
    ["why, of several", two, () => {}, (one) => one.command("why"), { command: { name: "why" } }, "Why do you ask?"],
    ["a change", PLAN, () => {}, (one) => one.command("change", { question: "pain", label: "Pain" }), { command: { name: "change", question: "pain" } }, "Change: Pain"],
    ["skip on a half-filled screen", two, (one) => one.draft("pain", { picked: ["no"] }), (one) => one.command("skip"), { answers: { pain: "no", goal: "skipped" } }, "No; No answer"],
    ["I don't know on a half-filled screen", two, (one) => one.draft("goal", { typed: "run" }), (one) => one.command("dont_know"), { answers: { pain: "unknown", goal: "run" } }, "No answer; run"],
    ["skip on an empty screen", two, () => {}, (one) => one.command("skip"), { command: { name: "skip" } }, "Skip"],
    ["skip of one question, though it is filled in", screenOf("first"), (one) => one.draft("pain", { picked: ["no"] }), (one) => one.command("skip"), { command: { name: "skip" } }, "Skip"],
    ["another move on a half-filled screen", two, (one) => one.draft("pain", { picked: ["no"] }), (one) => one.command("back"), { command: { name: "back" } }, "Back"],
  ];
  for (const [name, screen, fill, send, content, said] of cases) {
    test(name, async () => {
      const one = await begunTab(turnOf(1, screen));
      one.server.will("POST turn", ok(SECOND));
      if (screen === PLAN) one.server.will("GET pictures", error(404, "no_plan"));
      fill(one.conversation);
      await press(one, send(one.conversation));
      assert.deepEqual(one.server.turns, [{ id: "id-1", after: 1, ...content }]);
      assert.equal(one.server.to("POST turn")[0]?.token, "T1");
      assert.deepEqual(logged(one.conversation).at(-1), `${said} > Thanks.`);
      assert.equal(one.watcher.arrivals.at(-1)?.gesture, true);
    });
  }

  test("every turn has an id of its own and the number of the turn before", async () => {
    const one = await answered(ok(SECOND));
    one.server.will("POST turn", ok(THIRD));
    pick(one, "sleep", "yes");
    await press(one, one.conversation.submit());
    assert.deepEqual(one.server.turns.map(({ id, after }) => [id, after]), [["id-1", 1], ["id-2", 2]]);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks.", "Yes > Good."]);
  });
  test("a long question is named by its screen in the conversation", async () => {
    const one = await begunTab(turnOf(1, screenOf("first", [question("pain", { text: "x".repeat(141) })])));
    one.server.will("POST turn", ok(SECOND));
    pick(one, "pain", "yes");
    await press(one, one.conversation.submit());
    assert.deepEqual(one.conversation.log[1]?.said, [{ label: "first", answer: "Yes" }]);
  });
  test("two presses send once", async () => {
    const one = await begunTab();
    const answer = one.server.hold("POST turn");
    pick(one, "pain", "yes");
    const presses = [one.conversation.submit(), one.conversation.submit(), one.conversation.command("skip"), one.conversation.wake()];
    await settle();
    await answer(ok(SECOND));
    await press(one, Promise.all(presses));
    assert.deepEqual(one.server.turns.map(({ answers }) => answers), [{ pain: "yes" }]);
    one.server.done();
  });
  test("what is pressed while a turn is on its way does not take its place", async () => {
    const one = await begunTab();
    const answer = one.server.hold("POST turn");
    const first = one.conversation.command("skip");
    await settle();
    await one.conversation.command("dont_know");
    await answer(error(503, "not_saved"));
    await press(one, first);
    one.server.will("POST turn", ok(SECOND));
    await retry(one);
    assert.deepEqual(one.server.turns.map(({ id, command }) => [id, command]), [["id-1", { name: "skip" }], ["id-1", { name: "skip" }]]);
  });
  test("a tab that is looked at while a turn is on its way asks for nothing", async () => {
    const one = await begunTab();
    const answer = one.server.hold("POST turn");
    const sending = one.conversation.command("skip");
    await one.clock.advance(6000);
    await one.conversation.wake();
    await answer(ok(SECOND));
    await sending;
    one.server.done();
  });
  test("what is typed while words are on their way stays", async () => {
    const one = await begunTab();
    const answer = one.server.hold("POST turn");
    one.conversation.type("it hurts");
    const sending = one.conversation.say();
    await settle();
    one.conversation.type("it hurts at night");
    await answer(ok(SECOND));
    await sending;
    assert.equal(one.conversation.text, "it hurts at night");
  });
});

describe("what cannot be sent is to be mended", () => {
  const number = question("weeks", { kind: "number", min: 0, max: 520, unit: "weeks", options: undefined! });
  const activities = question("activities", { kind: "activities", options: undefined! });
  const cases: readonly [string, Question[], (one: Conversation) => void, (one: Conversation) => Promise<void>, [string | null, string | undefined], string[]][] = [
    ["nothing filled in", [question("pain")], () => {}, (one) => one.submit(), ["pain", undefined], ["pain"]],
    ["one of two", [question("pain"), question("sleep")], (one) => one.draft("pain", { picked: ["no"] }), (one) => one.submit(), ["sleep", undefined], ["sleep"]],
    ["both", [question("pain"), question("sleep")], () => {}, (one) => one.submit(), ["pain", undefined], ["pain", "sleep"]],
    ["a wrong number", [number], (one) => one.draft("weeks", { typed: "2 months" }), (one) => one.submit(), ["weeks", undefined], ["weeks"]],
    ["a wrong number, whatever is typed below", [number], (one) => { one.draft("weeks", { typed: "2 months" }); one.type("hello"); }, (one) => one.submit(), ["weeks", undefined], ["weeks"]],
    ["half an activity", [activities], (one) => one.draft("activities", { rows: [{ activity: "run", score: "" }] }), (one) => one.submit(), ["activities", "score-1"], ["activities"]],
    ["a wrong number beside an answer, with Skip", [number, question("pain")],
      (one) => { one.draft("weeks", { typed: "2 months" }); one.draft("pain", { picked: ["no"] }); }, (one) => one.command("skip"), ["weeks", undefined], ["weeks"]],
    ["no words to say", [question("pain")], (one) => one.type("  "), (one) => one.say(), [null, "say-text"], []],
  ];
  for (const [name, questions, fill, send, mended, problems] of cases) {
    test(name, async () => {
      const one = await begunTab(turnOf(1, screenOf("first", questions)));
      fill(one.conversation);
      await press(one, send(one.conversation));
      assert.deepEqual(one.server.turns, []);
      assert.deepEqual(one.watcher.mended, [mended]);
      assert.deepEqual(Object.keys(one.conversation.problems), problems);
      assert.equal(one.conversation.textProblem, mended[1] === "say-text");
    });
  }
  test("a problem is gone with the next turn", async () => {
    const one = await begunTab();
    await press(one, one.conversation.submit());
    one.server.will("POST turn", ok(turnOf(2, screenOf("first"), [says("Because.")])));
    await press(one, one.conversation.command("why"));
    assert.deepEqual(one.conversation.problems, {});
  });
});

describe("what is filled in", () => {
  const two = (pain: string | null = null): Question[] => [question("pain", { current: pain }), question("sleep")];
  const asks = (number: number, questions: Question[], id = "first"): Scripted => ok(turnOf(number, screenOf(id, questions), [says("Because.")]));
  const cases: readonly [string, Scripted, object][] = [
    ["stays when the same questions come back", asks(2, two()), { pain: { picked: ["no"] }, sleep: { picked: [] } }],
    ["gives way to what the gateway has read since", asks(2, two("yes")), { pain: { picked: ["yes"] }, sleep: { picked: [] } }],
    ["is gone on another screen", asks(2, two(), "other"), { pain: { picked: [] }, sleep: { picked: [] } }],
    ["is gone with its question", asks(2, [question("sleep")]), { sleep: { picked: [] } }],
  ];
  for (const [name, reply, drafts] of cases) {
    test(name, async () => {
      const one = await begunTab(turnOf(1, screenOf("first", two())));
      one.server.will("POST turn", reply);
      pick(one, "pain", "no");
      await press(one, one.conversation.command("why"));
      assert.deepEqual(one.conversation.drafts, drafts);
    });
  }
});

describe("a turn that fails", () => {
  const urgent = ["Call 911 now."];
  const cases: readonly [string, Scripted[], string, string | null, string[], number][] = [
    ["not reached", AWAY, "network", "errors.again", [], 3],
    ["502", [error(502, "x"), error(502, "x"), error(502, "x")], "not_saved", "errors.again", [], 3],
    ["504", [error(504, "x"), error(504, "x"), error(504, "x")], "not_saved", "errors.again", [], 3],
    ["still busy", [BUSY, BUSY, BUSY], "busy", "errors.again", [], 3],
    ["429", [error(429, "too_many")], "wait", "errors.again", [], 1],
    ["500", [error(500, "unexpected")], "not_saved", "errors.again", [], 1],
    ["503", [error(503, "not_saved", turnOf(0, null, [says("Not saved.", "urgent")]))], "not_saved", "errors.again", [], 1],
    ["503 of the database", [error(503, "unavailable")], "not_saved", "errors.again", [], 1],
    ["503 with danger heard", [error(503, "not_saved", DANGER)], "not_saved", "errors.again", urgent, 1],
    ["401", [EXPIRED], "ended", "session.begin", [], 1],
    ["400", [error(400, "bad_answer")], "refused", null, [], 1],
    ["413", [error(413, "too_large")], "refused", null, [], 1],
    ["403", [error(403, "bad_origin")], "refused", null, [], 1],
  ];
  for (const [name, replies, trouble_, button, told, tries] of cases) {
    test(`${name}: ${trouble_}, what is filled in stays`, async () => {
      const one = await answered(...replies);
      assert.deepEqual(trouble(one), [trouble_, button]);
      assert.deepEqual(one.conversation.trouble?.urgent.map(({ text }) => text), told);
      assert.deepEqual(one.watcher.mended, told.length ? [[null, "trouble-heading"]] : [], "danger is shown at once");
      assert.deepEqual(ids(one), Array(tries).fill("id-1"));
      assert.deepEqual(one.conversation.drafts, { pain: { picked: ["yes"] } });
      assert.deepEqual([one.conversation.screen?.id, one.conversation.busy, logged(one.conversation).length], ["first", false, 1]);
      one.server.done();
    });
  }

  const passing: readonly [string, Scripted[]][] = [
    ["busy once", [BUSY]], ["busy twice", [BUSY, BUSY]], ["away once", ["away"]], ["away, then busy", ["away", BUSY]], ["a server that starts again", [error(502, "x"), error(504, "x")]],
  ];
  for (const [name, replies] of passing) {
    test(`${name}: is tried again by itself, a little later each time, and nobody sees it`, async () => {
      const one = await answered(...replies, ok(SECOND));
      assert.deepEqual(ids(one), Array(replies.length + 1).fill("id-1"));
      assert.deepEqual(one.clock.waits.slice(-replies.length), [400, 1200].slice(0, replies.length));
      assert.deepEqual([trouble(one), logged(one.conversation)], [null, [" > Hello.", "Yes > Thanks."]]);
    });
  }

  test("the same content keeps its id", async () => {
    const one = await answered(error(503, "not_saved"), error(503, "not_saved"), ok(SECOND));
    await press(one, one.conversation.submit());
    await retry(one);
    assert.deepEqual(ids(one), ["id-1", "id-1", "id-1"]);
    assert.equal(trouble(one), null);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Yes > Thanks."]);
  });
  test("another content gets a new id", async () => {
    const one = await answered(error(503, "not_saved"), ok(SECOND));
    pick(one, "pain", "no");
    await press(one, one.conversation.submit());
    assert.deepEqual(one.server.turns.map(({ id, answers }) => [id, answers]), [["id-1", { pain: "yes" }], ["id-2", { pain: "no" }]]);
    assert.deepEqual(logged(one.conversation).at(-1), "No > Thanks.");
  });
  test("what was sent and answered gets a new id the next time", async () => {
    const one = await begunTab();
    one.server.will("POST turn", ok(turnOf(2, screenOf("first"))), ok(turnOf(3, screenOf("first"))));
    await press(one, one.conversation.command("why"));
    await press(one, one.conversation.command("why"));
    assert.deepEqual(ids(one), ["id-1", "id-2"]);
  });
  test("what was refused gets a new id, and is not sent again at a reload", async () => {
    const one = await answered(error(400, "bad_answer"), ok(SECOND));
    const after = await reloaded(one, ok(FIRST));
    assert.equal(after.server.turns.length, 1);
    await press(after, after.conversation.submit());
    assert.deepEqual(ids(after), ["id-1", "id-2"]);
  });
  test("typed words stay in the box until they are taken", async () => {
    const one = await begunTab();
    one.server.will("POST turn", error(503, "not_saved"), ok(SECOND));
    one.conversation.type("it hurts");
    await press(one, one.conversation.say());
    assert.equal(one.conversation.text, "it hurts");
    await retry(one);
    assert.deepEqual([one.conversation.text, ids(one)], ["", ["id-1", "id-1"]]);
  });
  test("ended: begins anew on a press", async () => {
    const one = await answered(EXPIRED);
    one.server.will("POST session", begun(FIRST, "T2"));
    await retry(one);
    assert.deepEqual([logged(one.conversation), one.store.getItem("plateau-token"), trouble(one)], [[" > Hello."], "T2", null]);
  });
  test("danger that was heard is not shown any more once the turn is saved", async () => {
    const one = await answered(error(503, "not_saved", DANGER), ok(SECOND));
    await retry(one);
    assert.equal(trouble(one), null);
  });
});

describe("a conversation that went on elsewhere", () => {
  const stale = error(409, "stale", THIRD);
  test("409 stale: shows where it is now, says so, and does not send again", async () => {
    const one = await answered(stale);
    assert.equal(one.server.turns.length, 1);
    assert.deepEqual([one.conversation.screen?.id, trouble(one)], ["third", null]);
    assert.deepEqual(logged(one.conversation), [" > Hello.", " > WENT ON | Good."]);
    assert.deepEqual(texts(one), ["WENT ON", "Good."]);
    one.server.will("POST turn", ok(turnOf(4, screenOf("fourth"))));
    one.conversation.draft("goal", { typed: "run" });
    await press(one, one.conversation.submit());
    assert.deepEqual(one.server.turns[1], { id: "id-2", after: 3, answers: { goal: "run" } });
    one.server.done();
  });
  test("409 stale is not sent again at a reload either", async () => {
    const one = await reloaded(await answered(stale), ok(THIRD));
    assert.equal(one.server.turns.length, 1);
    assert.equal(one.conversation.screen?.id, "third");
  });
  test("409 stale after busy", async () => {
    const one = await answered(BUSY, stale);
    assert.deepEqual([one.server.turns.length, one.conversation.screen?.id], [2, "third"]);
  });
  test("409 stale: typed words stay in the box", async () => {
    const one = await begunTab();
    one.server.will("POST turn", stale);
    one.conversation.type("it hurts");
    await press(one, one.conversation.say());
    assert.equal(one.conversation.text, "it hurts");
  });

  test("is seen when the tab is looked at again after a while", async () => {
    const one = await begunTab();
    await one.clock.advance(5000);
    one.server.will("GET resume", ok(SECOND));
    await press(one, one.conversation.wake());
    assert.deepEqual(logged(one.conversation), [" > Hello.", " > WENT ON | Thanks."]);
    assert.equal(one.watcher.arrivals.at(-1)?.gesture, false);
  });
  test("that did not go on is left as it is, with what is filled in", async () => {
    const one = await begunTab();
    pick(one, "pain", "no");
    await one.clock.advance(5000);
    one.server.will("GET resume", ok(FIRST));
    await press(one, one.conversation.wake());
    assert.deepEqual([logged(one.conversation), one.conversation.drafts, one.watcher.arrivals.length], [[" > Hello."], { pain: { picked: ["no"] } }, 1]);
  });
  for (const [name, reply] of [["not reached", "away"], ["503", error(503, "x")]] as const) {
    test(`cannot be asked (${name}): nothing happens, and the patient is not disturbed`, async () => {
      const one = await begunTab();
      await one.clock.advance(5000);
      one.server.will("GET resume", reply);
      await press(one, one.conversation.wake());
      assert.deepEqual([logged(one.conversation), trouble(one)], [[" > Hello."], null]);
    });
  }
  test("has ended, or was deleted in another tab: nothing of it stays to be read", async () => {
    const one = await answered(ok(SECOND));
    await one.clock.advance(5000);
    one.server.will("GET resume", EXPIRED);
    one.server.will("POST session", begun(FIRST, "T2"));
    await press(one, one.conversation.wake());
    assert.deepEqual(logged(one.conversation), [" > EXPIRED | Hello."]);
  });
  test("was left in another tab: nothing of it stays to be read", async () => {
    const one = await answered(ok(SECOND));
    one.store.held.clear();
    await press(one, one.conversation.wake());
    assert.deepEqual([one.conversation.screen, one.conversation.log], [null, []]);
  });
  test("is not asked for at once, nor before there is a conversation", async () => {
    const one = await begunTab();
    await one.clock.advance(4999);
    await press(one, one.conversation.wake());
    const none = tab();
    await none.clock.advance(60_000);
    await press(none, none.conversation.wake());
    assert.deepEqual([one.server.to("GET resume"), none.server.calls], [[], []]);
  });
  test("a slow answer does not bring back a turn before one that was sent meanwhile", async () => {
    const one = await begunTab();
    await one.clock.advance(5000);
    const answer = one.server.hold("GET resume");
    const waking = one.conversation.wake();
    one.server.will("POST turn", ok(SECOND));
    pick(one, "pain", "yes");
    await press(one, one.conversation.submit());
    await answer(ok(FIRST));
    await waking;
    assert.deepEqual([one.conversation.screen?.id, logged(one.conversation)], ["second", [" > Hello.", "Yes > Thanks."]]);
  });
  test("a slow answer does not bring back what was deleted meanwhile", async () => {
    const one = await begunTab();
    await one.clock.advance(5000);
    const answer = one.server.hold("GET resume");
    const waking = one.conversation.wake();
    one.server.will("POST forget", { status: 200, body: { forgotten: true } });
    await press(one, one.conversation.forget());
    await answer(ok(SECOND));
    await waking;
    assert.deepEqual([one.conversation.screen, one.conversation.log, one.conversation.forgotten], [null, [], true]);
  });
  test("leaves no button behind that does nothing", async () => {
    const one = await answered(error(503, "not_saved"));
    await one.clock.advance(5000);
    // It was saved after all.
    one.server.will("GET resume", ok({ ...SECOND, id: "id-1" }));
    await press(one, one.conversation.wake());
    assert.deepEqual([one.conversation.screen?.id, trouble(one)], ["second", null]);
  });
});

describe("offline", () => {
  async function offline(): Promise<Tab> {
    const one = await begunTab();
    one.clock.connected = false;
    one.server.will("POST turn", "away");
    pick(one, "pain", "yes");
    await press(one, one.conversation.submit());
    return one;
  }
  test("is said, and not tried again in vain", async () => {
    const one = await offline();
    assert.deepEqual(trouble(one), ["offline", "errors.again"]);
    assert.equal(one.server.turns.length, 1);
  });
  test("what is unsent is sent once when the network is back, however often the tab wakes", async () => {
    const one = await offline();
    one.clock.connected = true;
    one.server.will("POST turn", ok(SECOND));
    await press(one, Promise.all([one.conversation.wake(), one.conversation.wake(), one.conversation.wake()]));
    await press(one, one.conversation.wake());
    assert.deepEqual(ids(one), ["id-1", "id-1"]);
    assert.deepEqual([logged(one.conversation), trouble(one)], [[" > Hello.", "Yes > Thanks."], null]);
    one.server.done();
  });
  test("still offline: is said again", async () => {
    const one = await offline();
    one.server.will("POST turn", "away");
    await press(one, one.conversation.wake());
    assert.deepEqual([trouble(one), ids(one)], [["offline", "errors.again"], ["id-1", "id-1"]]);
  });
  for (const [name, reply] of [["not saved", error(503, "not_saved")], ["too many", error(429, "too_many")], ["refused", error(400, "bad_answer")]] as const) {
    test(`${name} is no matter of the network: it waits for a press`, async () => {
      const one = await answered(reply);
      await press(one, one.conversation.wake());
      assert.equal(one.server.turns.length, 1);
    });
  }
});

describe("coming back by a code", () => {
  async function typed(code: string, ...replies: Scripted[]): Promise<Tab> {
    const one = await begunTab();
    one.server.will("POST session", ...replies);
    one.conversation.code = code;
    await press(one, one.conversation.comeBack());
    return one;
  }
  test("the right one: begins as someone known", async () => {
    const one = await typed(" abc 123 ", begun(FIRST, "T2"));
    assert.deepEqual(one.server.to("POST session").at(-1)?.body, { code: "abc 123" });
    assert.deepEqual(logged(one.conversation), [" > KNOWN | Hello."]);
    assert.deepEqual([one.conversation.known, one.conversation.atStart, one.conversation.code, one.conversation.codeProblem], [true, false, "", ""]);
    assert.equal(one.store.getItem("plateau-token"), "T2");
    one.server.will("POST turn", ok(SECOND));
    await press(one, one.conversation.command("skip"));
    assert.equal(one.server.to("POST turn")[0]?.token, "T2");
  });
  test("what is filled in on the first screen stays", async () => {
    const one = await begunTab();
    pick(one, "pain", "no");
    one.conversation.code = "abc";
    one.server.will("POST session", begun(FIRST, "T2"));
    await press(one, one.conversation.comeBack());
    assert.deepEqual(one.conversation.drafts, { pain: { picked: ["no"] } });
  });
  test("what is known from before is shown where nothing was filled in", async () => {
    const one = await typed("abc", begun(turnOf(1, screenOf("first", [question("pain", { current: "yes" })])), "T2"));
    assert.deepEqual(one.conversation.drafts, { pain: { picked: ["yes"] } });
  });
  for (const wrong of [error(404, "bad_code"), error(400, "bad_field")]) {
    test(`a wrong one (${(wrong as { status: number }).status}) is said, and the conversation goes on under its own token`, async () => {
      const one = await typed("abc", wrong);
      assert.deepEqual([one.conversation.codeProblem, one.conversation.code, trouble(one)], ["come_back.wrong", "abc", null]);
      assert.deepEqual(one.watcher.mended, [[null, "code"]]);
      assert.ok(one.watcher.announced.includes("WRONG"));
      assert.deepEqual([logged(one.conversation), one.conversation.known, one.store.getItem("plateau-token")], [[" > Hello."], false, "T1"]);
      one.server.will("POST turn", ok(SECOND));
      await press(one, one.conversation.command("skip"));
      assert.equal(one.server.to("POST turn")[0]?.token, "T1");
    });
  }
  test("a right one after a wrong one", async () => {
    const one = await typed("abc", error(404, "bad_code"), begun(FIRST, "T2"));
    one.conversation.code = "abd";
    await press(one, one.conversation.comeBack());
    assert.deepEqual([one.conversation.known, one.conversation.codeProblem], [true, ""]);
  });
  test("none is said without asking the gateway", async () => {
    const one = await typed("  ");
    assert.deepEqual([one.conversation.codeProblem, one.server.to("POST session").length], ["come_back.empty", 1]);
    assert.deepEqual(one.watcher.mended, [[null, "code"]]);
    assert.ok(one.watcher.announced.includes("EMPTY"));
  });
  for (const [reply, name] of [["away", "network"], [error(429, "too_many"), "wait"], [error(503, "unavailable"), "not_saved"]] as const) {
    test(`${name}: the code is not called wrong, and is tried again`, async () => {
      const one = await typed("abc", reply, begun(FIRST, "T2"));
      assert.deepEqual([trouble(one), one.conversation.codeProblem, one.store.getItem("plateau-token")], [[name, "errors.again"], "", "T1"]);
      await retry(one);
      assert.deepEqual(one.server.to("POST session").slice(1).map(({ body }) => body), [{ code: "abc" }, { code: "abc" }]);
      assert.deepEqual([one.conversation.known, trouble(one)], [true, null]);
    });
  }
});

describe("deleting and leaving", () => {
  test("forget: nothing of the conversation stays", async () => {
    const one = await answered(ok(SECOND));
    one.conversation.type("my kn");
    one.server.will("POST forget", { status: 200, body: { forgotten: true } });
    await press(one, one.conversation.forget());
    const { forgotten, running, screen, log, text, drafts } = one.conversation;
    assert.deepEqual({ forgotten, running, screen, log, text, drafts }, { forgotten: true, running: false, screen: null, log: [], text: "", drafts: {} });
    assert.equal(one.store.getItem("plateau-token"), null);
    assert.doesNotMatch([...one.store.held.values()].join(), /Hello|Yes|my kn|first|second/);
    one.server.will("POST session", begun(FIRST, "T2"));
    await press(one, one.conversation.begin());
    assert.deepEqual([one.conversation.forgotten, logged(one.conversation)], [false, [" > Hello."]]);
  });
  for (const reply of ["away", error(503, "unavailable"), EXPIRED] as const) {
    test(`forget fails (${reply === "away" ? reply : 503}): is never said to be done, and can be tried again`, async () => {
      const one = await begunTab();
      one.server.will("POST forget", reply, { status: 200, body: {} });
      await press(one, one.conversation.forget());
      assert.deepEqual([trouble(one), one.conversation.forgotten, one.conversation.running], [["forget", "errors.retry"], false, true]);
      await retry(one);
      assert.deepEqual([one.conversation.forgotten, trouble(one)], [true, null]);
    });
  }
  test("quit leaves nothing in the tab, and asks the gateway for nothing", async () => {
    const one = await answered(...AWAY);
    one.conversation.isOpen = true;
    one.conversation.type("my kn");
    const calls = one.server.calls.length;
    one.conversation.quit();
    await one.clock.advance(60_000);
    await press(one, one.conversation.wake());
    assert.deepEqual([...one.store.held], []);
    assert.deepEqual([one.conversation.log, one.conversation.screen, one.conversation.text, one.conversation.running], [[], null, "", false]);
    assert.equal(one.server.calls.length, calls);
  });

  const under: readonly [string, string, Scripted, (one: Conversation) => Promise<void>][] = [
    ["a turn", "POST turn", ok(SECOND), (one) => one.command("skip")],
    ["a code", "POST session", begun(FIRST, "T2"), (one) => { one.code = "abc"; return one.comeBack(); }],
    ["a new beginning", "POST session", begun(FIRST, "T2"), (one) => one.begin()],
    ["the links to keep", "POST handout", { status: 201, body: {} }, (one) => one.keep()],
  ];
  for (const [name, route, reply, work] of under) {
    test(`quit while ${name} is under way leaves nothing either`, async () => {
      const one = await begunTab();
      const answer = one.server.hold(route);
      const working = work(one.conversation);
      await settle();
      one.conversation.quit();
      await answer(reply);
      await press(one, working);
      assert.deepEqual([...one.store.held], []);
    });
  }
});

describe("the plan", () => {
  const planned = turnOf(2, PLAN, [says("Your plan", "plan")]);
  const PICTURES = { pictures: [{ id: "pain", title: "Pain", alt: "falls", svg: "<svg/>" }] };
  const KEPT = { plan: "/plan/x", plan_pdf: "/plan/x/pdf", calendar: null, summary: "/summary/y", until: "2026-12-01", code: "abc", code_until: "2027-01-01" };
  async function onPlan(pictures: Scripted = { status: 200, body: PICTURES }): Promise<Tab> {
    const one = await begunTab();
    one.server.will("POST turn", ok(planned));
    one.server.will("GET pictures", pictures);
    await press(one, one.conversation.command("skip"));
    await settle();
    return one;
  }

  test("comes with its pictures", async () => {
    const one = await onPlan();
    assert.deepEqual(one.conversation.pictures, PICTURES.pictures);
    assert.equal(one.server.to("GET pictures")[0]?.token, "T1");
  });
  test("pictures are not asked for before", async () => assert.equal((await begunTab()).server.to("GET pictures").length, 0));
  test("without its pictures is a plan still", async () => {
    const one = await onPlan(error(404, "no_plan"));
    assert.deepEqual([one.conversation.pictures, one.conversation.screen?.kind, trouble(one)], [[], "plan", null]);
  });
  test("has its pictures after a reload", async () => {
    const before = await onPlan();
    before.server.will("GET pictures", { status: 200, body: PICTURES });
    const one = await reloaded(before, ok(planned));
    await settle();
    assert.deepEqual(one.conversation.pictures, PICTURES.pictures);
    assert.deepEqual(logged(one.conversation), [" > Hello.", "Skip > Your plan"]);
  });
  test("the body is loaded once", async () => {
    const one = await onPlan();
    assert.equal(one.server.to("GET figure").length, 1);
  });

  test("is kept: links and code come, and are announced", async () => {
    const one = await onPlan();
    one.server.will("POST handout", { status: 201, body: KEPT });
    await press(one, one.conversation.keep());
    assert.deepEqual(one.conversation.handout, KEPT);
    assert.ok(one.watcher.announced.includes("READY"));
    assert.deepEqual(one.watcher.mended, [[null, "keep-heading"]]);
    assert.equal(one.conversation.address(KEPT.plan), "https://chat.example/plan/x");
  });
  test("the links stay while the plan stays, and go with a new plan", async () => {
    const one = await onPlan();
    one.server.will("POST handout", { status: 201, body: KEPT });
    await press(one, one.conversation.keep());
    one.server.will("POST turn", ok(turnOf(3, PLAN, [says("A person will call.")])));
    await press(one, one.conversation.command("human"));
    assert.deepEqual([one.conversation.handout, one.conversation.pictures], [KEPT, PICTURES.pictures]);
    one.server.will("POST turn", ok(turnOf(4, PLAN, [says("Your new plan", "plan")])));
    one.server.will("GET pictures", { status: 200, body: { pictures: [] } });
    await press(one, one.conversation.command("change", { question: "pain", label: "Pain" }));
    assert.deepEqual([one.conversation.handout, one.conversation.pictures], [null, []]);
  });
  const fails: readonly [string, Scripted, [string, string]][] = [
    ["not reached", "away", ["keep", "errors.retry"]], ["404", error(404, "no_plan"), ["keep", "errors.retry"]], ["429", error(429, "too_many"), ["keep", "errors.retry"]],
    ["503", error(503, "unavailable"), ["keep", "errors.retry"]], ["401", EXPIRED, ["ended", "session.begin"]],
  ];
  for (const [name, reply, told] of fails) {
    test(`cannot be kept (${name}): says so, and can be tried again`, async () => {
      const one = await onPlan();
      one.server.will("POST handout", reply);
      await press(one, one.conversation.keep());
      assert.deepEqual([trouble(one), one.conversation.handout, one.conversation.screen?.kind], [told, null, "plan"]);
      if (told[0] === "keep") {
        one.server.will("POST handout", { status: 201, body: KEPT });
        await retry(one);
        assert.deepEqual([trouble(one), one.conversation.handout], [null, KEPT]);
      }
    });
  }
});
