import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ACTIVITIES, draftOf, mayBeEmpty, read, shown, sided, toggled, type Draft, type Reading } from "../src/answers.ts";
import type { Answer, Question } from "../src/turns.ts";
import { Words } from "../src/words.ts";
import { question, random, WORDS } from "./_fakes.ts";

const words = new Words(WORDS);
const OPTIONS = [{ value: "knee", title: "Knee" }, { value: "hip", title: "Hip" }, { value: "none", title: "None of these" }];
const NONE = { value: "none", title: "No operation" };
const CHOICE = question("region", { options: OPTIONS });
const MULTI = question("signs", { kind: "multi", options: OPTIONS });
const NPRS = question("pain", { kind: "nprs", min: 0, max: 10 });
const WEEKS = question("weeks", { kind: "number", min: 0, max: 5200, unit: "weeks" });
const DAYS = question("days", { kind: "number", min: 0, max: 7, unit: "days a week" });
const OPERATION = question("operation", { kind: "number", min: 0, max: 520, unit: "weeks", none: NONE });
const BARE = question("bare", { kind: "number", min: null, max: null, unit: null });
const TEXT = question("goal", { kind: "text", optional: true });
const ACTIVITY = question("activities", { kind: "activities" });
const SIDED = question("region", { options: OPTIONS, picture: "body", sides: { question: "side", values: ["knee"], titles: { left: "left side", right: "right side" } } });
const EVERY = [CHOICE, MULTI, NPRS, WEEKS, DAYS, OPERATION, BARE, TEXT, ACTIVITY, SIDED];

const EMPTY_ROW = { activity: "", score: "" };
const rows = (...given: readonly (readonly [string, string])[]): Draft => ({ rows: given.map(([activity, score]) => ({ activity, score })) });

describe("what stands in the controls before the patient touches them", () => {
  const cases: readonly [string, Question, Question["current"], Draft][] = [
    ["a choice", CHOICE, "knee", { picked: ["knee"] }],
    ["a box of many", MULTI, ["knee", "hip"], { picked: ["knee", "hip"] }],
    ["a scale", NPRS, 7, { picked: ["7"] }],
    ["the bottom of a scale", NPRS, 0, { picked: ["0"] }],
    ["a number", WEEKS, 8, { picked: [], typed: "8" }],
    ["zero", WEEKS, 0, { picked: [], typed: "0" }],
    ["not at all instead of a number", OPERATION, "none", { picked: ["none"], typed: "" }],
    ["a number where not at all is possible", OPERATION, 3, { picked: [], typed: "3" }],
    ["words", TEXT, "walk", { typed: "walk" }],
    ["activities", ACTIVITY, [{ activity: "stairs", score: 4 }, { activity: "sit", score: 0 }],
      { rows: [{ activity: "stairs", score: "4" }, { activity: "sit", score: "0" }, EMPTY_ROW] }],
    ["an activity without its number", ACTIVITY, [{ activity: "stairs", score: null }], { rows: [{ activity: "stairs", score: "" }, EMPTY_ROW, EMPTY_ROW] }],
  ];
  for (const [name, asked, current, draft] of cases) {
    test(name, () => assert.deepEqual(draftOf({ ...asked, current: current! }), draft));
  }

  const empty: Record<Question["kind"], Draft> = {
    choice: { picked: [] }, nprs: { picked: [] }, multi: { picked: [] }, number: { picked: [], typed: "" }, text: { typed: "" },
    activities: { rows: Array(ACTIVITIES).fill(EMPTY_ROW) },
  };
  for (const asked of EVERY) {
    for (const current of [null, undefined, "unknown", "skipped"]) {
      const { current: _, ...rest } = asked;
      test(`${asked.kind} ${asked.id}: nothing for ${current}`, () =>
        assert.deepEqual(draftOf(current === undefined ? rest : { ...rest, current }), empty[asked.kind]));
    }
  }
});

describe("an answer goes into the controls and comes out the same", () => {
  const cases: readonly [Question, Answer][] = [
    [CHOICE, "knee"], [MULTI, ["none"]], [MULTI, ["knee", "hip"]], [NPRS, 0], [NPRS, 10], [WEEKS, 0], [WEEKS, 5200], [WEEKS, 1.5],
    [OPERATION, "none"], [OPERATION, 6], [TEXT, "walk"], [ACTIVITY, [{ activity: "stairs", score: 0 }, { activity: "run", score: 10 }]],
  ];
  for (const [asked, current] of cases) {
    test(`${asked.id} ${JSON.stringify(current)}`, () => assert.deepEqual(read(asked, draftOf({ ...asked, current })), { value: current }));
  }
});

describe("a draft is read", () => {
  const cases: readonly [string, Question, Draft, Reading][] = [
    ["choice", CHOICE, { picked: ["hip"] }, { value: "hip" }],
    ["choice, nothing picked", CHOICE, { picked: [] }, { problem: "choice" }],
    ["choice, untouched", CHOICE, {}, { problem: "choice" }],
    ["multi", MULTI, { picked: ["hip", "knee"] }, { value: ["hip", "knee"] }],
    ["multi, nothing ticked", MULTI, { picked: [] }, { problem: "multi" }],
    ["scale", NPRS, { picked: ["3"] }, { value: 3 }],
    ["scale, nothing picked", NPRS, {}, { problem: "nprs" }],
    ["text is trimmed", TEXT, { typed: "  walk \n" }, { value: "walk" }],
    ["text of blanks", TEXT, { typed: " \n" }, { problem: "text" }],
    ["not at all instead of a number", OPERATION, { picked: ["none"], typed: "" }, { value: "none" }],
    ["not at all, whatever is typed", OPERATION, { picked: ["none"], typed: "abc" }, { value: "none" }],
    ["not at all is no answer where it is not offered", WEEKS, { picked: ["none"], typed: "" }, { problem: "number_range" }],
    ["activity", ACTIVITY, rows(["stairs", "4"]), { value: [{ activity: "stairs", score: 4 }] }],
    ["activity at zero", ACTIVITY, rows(["stairs", "0"]), { value: [{ activity: "stairs", score: 0 }] }],
    ["activities with a gap between", ACTIVITY, rows(["a", "1"], ["", ""], ["b", "2"]), { value: [{ activity: "a", score: 1 }, { activity: "b", score: 2 }] }],
    ["activity is trimmed", ACTIVITY, rows([" stairs ", "4"]), { value: [{ activity: "stairs", score: 4 }] }],
    ["no activity", ACTIVITY, rows(["", ""], ["", ""], ["", ""]), { problem: "activities" }],
    ["no rows at all", ACTIVITY, {}, { problem: "activities" }],
    ["activity without its number", ACTIVITY, rows(["stairs", ""]), { problem: "activity_score", wrong: true, at: "score-1" }],
    ["number without its activity", ACTIVITY, rows(["", "4"]), { problem: "activity_name", wrong: true, at: "name-1" }],
    ["zero without its activity", ACTIVITY, rows(["", "0"]), { problem: "activity_name", wrong: true, at: "name-1" }],
    ["an activity of blanks has no name", ACTIVITY, rows(["  ", "4"]), { problem: "activity_name", wrong: true, at: "name-1" }],
    ["half a row below a whole one", ACTIVITY, rows(["a", "1"], ["", ""], ["b", ""]), { problem: "activity_score", wrong: true, at: "score-3" }],
    ["the first of two half rows", ACTIVITY, rows(["a", "1"], ["", "2"], ["b", ""]), { problem: "activity_name", wrong: true, at: "name-2" }],
  ];
  for (const [name, asked, draft, reading] of cases) test(name, () => assert.deepEqual(read(asked, draft), reading));
});

describe("a typed number", () => {
  const RANGE = { problem: "number_range", wrong: true };
  const cases: readonly [Question, string, Reading][] = [
    [WEEKS, "8", { value: 8 }],
    [WEEKS, " 8 ", { value: 8 }],
    [WEEKS, "08", { value: 8 }],
    [WEEKS, "0", { value: 0 }],
    [WEEKS, "5200", { value: 5200 }],
    [WEEKS, "8 weeks", { value: 8 }],
    [WEEKS, "8weeks", { value: 8 }],
    [WEEKS, "1 week", { value: 1 }],
    [WEEKS, "8 w", { value: 8 }],
    [WEEKS, "1.5", { value: 1.5 }],
    [WEEKS, "1,5", { value: 1.5 }],
    [WEEKS, "1,5 weeks", { value: 1.5 }],
    [DAYS, "3 days", { value: 3 }],
    [DAYS, "3 days a week", { value: 3 }],
    [BARE, "123456", { value: 123456 }],
    [WEEKS, "", { problem: "number_range" }],
    [WEEKS, "  ", { problem: "number_range" }],
    [BARE, "", { problem: "number" }],
    [WEEKS, "5201", RANGE],
    [DAYS, "8", RANGE],
    [DAYS, "7.5", RANGE],
    [DAYS, "7,01", RANGE],
    [WEEKS, "2 months", RANGE],
    [WEEKS, "2 weeks ago", RANGE],
    [WEEKS, "about 8", RANGE],
    [WEEKS, "weeks", RANGE],
    [WEEKS, "3-4", RANGE],
    [WEEKS, "3 4", RANGE],
    [WEEKS, "-1", RANGE],
    [WEEKS, "+1", RANGE],
    [WEEKS, "1e3", RANGE],
    [WEEKS, "0x10", RANGE],
    [WEEKS, "1.2.3", RANGE],
    [WEEKS, "8.", RANGE],
    [WEEKS, ",5", RANGE],
    [WEEKS, "NaN", RANGE],
    [WEEKS, "Infinity", RANGE],
    [WEEKS, "9".repeat(400), RANGE],
    // Read as 1, a thousand weeks would be one without a word.
    [WEEKS, "1,000", RANGE],
    [WEEKS, "1.000", RANGE],
    [BARE, "8 weeks", { problem: "number", wrong: true }],
    [BARE, "9".repeat(400), { problem: "number", wrong: true }],
    [OPERATION, "none", RANGE],
  ];
  for (const [asked, typed, reading] of cases) {
    const name = typed.length > 40 ? `${typed.slice(0, 8)}... (${typed.length} digits)` : JSON.stringify(typed);
    test(`${name} for ${asked.id}`, () => assert.deepEqual(read(asked, { picked: [], typed }), reading));
  }

  test("only one bound counts alone", () => {
    assert.deepEqual(read({ ...BARE, min: 5 }, { typed: "4" }), { problem: "number", wrong: true });
    assert.deepEqual(read({ ...BARE, max: 5 }, { typed: "6" }), { problem: "number", wrong: true });
    assert.deepEqual(read({ ...BARE, min: 5 }, { typed: "5" }), { value: 5 });
  });
});

describe("boxes are ticked", () => {
  const cases: readonly [string, string[], string, boolean, string[]][] = [
    ["the first", [], "knee", true, ["knee"]],
    ["another", ["knee"], "hip", true, ["knee", "hip"]],
    ["the same twice", ["knee"], "knee", true, ["knee"]],
    ["one off", ["knee", "hip"], "knee", false, ["hip"]],
    ["the last off", ["knee"], "knee", false, []],
    ["one off that was not on", ["knee"], "hip", false, ["knee"]],
    ["none takes the others off", ["knee", "hip"], "none", true, ["none"]],
    ["another takes none off", ["none"], "knee", true, ["knee"]],
    ["none off", ["none"], "none", false, []],
  ];
  for (const [name, picked, value, on, after] of cases) {
    test(name, () => {
      const before = [...picked];
      assert.deepEqual(toggled(picked, value, on), after);
      assert.deepEqual(picked, before, "the list given stays as it was");
    });
  }

  test("however they are ticked, none stands alone and nothing is there twice", () => {
    const next = random(1);
    let picked: string[] = [];
    for (let press = 0; press < 2000; press += 1) {
      const value = ["knee", "hip", "foot", "none"][Math.floor(next() * 4)]!;
      const on = next() < 0.7;
      picked = toggled(picked, value, on);
      assert.equal(picked.includes(value), on);
      assert.equal(new Set(picked).size, picked.length);
      assert.ok(!picked.includes("none") || picked.length === 1, picked.join());
    }
  });
});

describe("only an optional text may be left empty", () => {
  for (const asked of EVERY) {
    for (const optional of [true, false]) {
      test(`${asked.id}, ${optional ? "optional" : "required"}`, () =>
        assert.equal(mayBeEmpty({ ...asked, optional }), optional && asked.kind === "text"));
    }
  }
  test("not said to be optional", () => assert.equal(mayBeEmpty(question("goal", { kind: "text" })), false));
});

describe("sides", () => {
  const cases: readonly [string, Question, string | undefined, boolean][] = [
    ["asked with the knee", SIDED, "knee", true],
    ["not with the hip", SIDED, "hip", false],
    ["not with nothing picked", SIDED, undefined, false],
    ["not where the question has none", CHOICE, "knee", false],
  ];
  for (const [name, asked, value, has] of cases) test(name, () => assert.equal(sided(asked, value), has));
});

describe("an answer is shown", () => {
  const cases: readonly [string, Question, Answer, string | undefined, string][] = [
    ["choice", CHOICE, "knee", undefined, "Knee"],
    ["choice without a title", CHOICE, "elbow", undefined, "elbow"],
    ["choice with its side", SIDED, "knee", "left", "Knee, left side"],
    ["multi", MULTI, ["knee", "hip"], undefined, "Knee, Hip"],
    ["scale", question("pain", { kind: "nprs", options: undefined! }), 0, undefined, "0"],
    ["number with its unit", WEEKS, 8, undefined, "8 weeks"],
    ["zero with its unit", WEEKS, 0, undefined, "0 weeks"],
    ["number without a unit", BARE, 8, undefined, "8"],
    ["not at all", OPERATION, "none", undefined, "No operation"],
    ["text", question("goal", { kind: "text", options: undefined! }), "walk {score} $&", undefined, "walk {score} $&"],
    ["activities", ACTIVITY, [{ activity: "stairs", score: 0 }, { activity: "{score}", score: 10 }], undefined, "stairs: 0 out of 10, {score}: 10 out of 10"],
  ];
  for (const [name, asked, value, side, text] of cases) test(name, () => assert.equal(shown(asked, value, words, side), text));
});

test("whatever is filled in, it is read without an exception, as an answer or as a problem that has words", () => {
  const PROBLEMS = ["choice", "multi", "nprs", "number", "number_range", "text", "activities", "activity_score", "activity_name"];
  const PIECES = ["", " ", "0", "7", "12", "5200", ".", ",", "-", "+", "e", "weeks", "days a", "none", "\n", "\u0000", "٣", "½", "🦵", "{x}", "$&", "<b>", "9".repeat(320)];
  const next = random(2);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const piece = (): string => Array.from({ length: Math.floor(next() * 4) }, () => pick(PIECES)).join("");
  const many = <T>(make: () => T): T[] => Array.from({ length: Math.floor(next() * 5) }, make);
  let answered = 0;
  for (let run = 0; run < 20_000; run += 1) {
    const bounds = next() < 0.5 ? {} : { min: pick([null, 0, 3]), max: pick([null, 7, 10]) };
    const asked = { ...pick(EVERY), ...bounds };
    const draft: Draft = {
      ...(next() < 0.7 ? { picked: many(() => pick(["knee", "none", "3"])) } : {}),
      ...(next() < 0.9 ? { typed: piece() } : {}),
      ...(next() < 0.7 ? { rows: many(() => ({ activity: piece(), score: pick(["", "0", "10"]) })) } : {}),
    };
    const reading = read(asked, draft);
    const seen = JSON.stringify({ asked, draft, reading });
    assert.ok((reading.value === undefined) !== (reading.problem === undefined), seen);
    if (reading.problem !== undefined) {
      assert.ok(PROBLEMS.includes(reading.problem), seen);
      continue;
    }
    answered += 1;
    assert.equal(reading.wrong, undefined, seen);
    assert.doesNotThrow(() => shown(asked, reading.value!, words), seen);
    if (asked.kind === "number" && reading.value !== asked.none?.value) {
      const number = reading.value as number;
      assert.ok(Number.isFinite(number) && number >= (asked.min ?? 0) && number <= (asked.max ?? Infinity), seen);
    }
    if (asked.kind === "activities") {
      for (const row of reading.value as readonly { activity: string; score: number }[]) assert.ok(row.activity.trim() && Number.isFinite(row.score), seen);
    }
  }
  assert.ok(answered > 2000, `only ${answered} of the drafts were answers`);
});
