import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { prose, tel, Words, type Block, type Part } from "../src/words.ts";
import { WORDS } from "./_fakes.ts";

const words = new Words(WORDS);
const of = (more: object): Words => new Words({ ...WORDS, ...more });

describe("plain text becomes lines and lists", () => {
  const cases: readonly [string, string, Block[]][] = [
    ["nothing", "", []],
    ["blanks", " \n \n", []],
    ["one line", "Hello.", [{ line: "Hello." }]],
    ["lines, without the empty ones", "One.\n\n  Two. ", [{ line: "One." }, { line: "Two." }]],
    ["a list", "- a\n- b", [{ items: ["a", "b"] }]],
    ["a list after a line", "Do:\n- a\n- b\nThen rest.", [{ line: "Do:" }, { items: ["a", "b"] }, { line: "Then rest." }]],
    ["an empty line does not end a list", "- a\n\n- b", [{ items: ["a", "b"] }]],
    ["two lists", "- a\nand\n- b", [{ items: ["a"] }, { line: "and" }, { items: ["b"] }]],
    ["a dash is no list without a blank", "-5 degrees", [{ line: "-5 degrees" }]],
    ["a dash within", "a - b", [{ line: "a - b" }]],
    ["HTML stays text", "<b>- a</b>", [{ line: "<b>- a</b>" }]],
    ["lines of Windows", "One.\r\n- a\r\n", [{ line: "One." }, { items: ["a"] }]],
  ];
  for (const [name, text, blocks] of cases) test(name, () => assert.deepEqual(prose(text), blocks));
});

describe("a line is cut at the phone numbers that are known", () => {
  const call = (number: string): Part => ({ call: number });
  const cases: readonly [string, string, Part[]][] = [
    ["none", "Rest a day.", ["Rest a day."]],
    ["nothing", "", []],
    ["within", "Please call 911 now.", ["Please call ", call("911"), " now."]],
    ["at the beginning", "911 now", [call("911"), " now"]],
    ["at the end", "call 911", ["call ", call("911")]],
    ["alone", "911", [call("911")]],
    ["with blanks", "Ring 116 123.", ["Ring ", call("116 123"), "."]],
    ["long", "or 1800 022 222", ["or ", call("1800 022 222")]],
    ["of other countries", "999, 000 and 13 11 14", [call("999"), ", ", call("000"), " and ", call("13 11 14")]],
    ["twice", "911 or 911", [call("911"), " or ", call("911")]],
    ["unknown ones stay text", "Do 3 sets of 10, 555 0199.", ["Do 3 sets of 10, 555 0199."]],
    ["part of a longer number is not one", "9110 or 1911", ["9110 or 1911"]],
    ["part of a number with blanks is not one", "911 0", ["911 0"]],
    ["a number among unknown ones", "In 3 days call 111.", ["In 3 days call ", call("111"), "."]],
  ];
  for (const [name, line, parts] of cases) {
    test(name, () => {
      assert.deepEqual(words.parts(line), parts);
      assert.equal(parts.map((part) => typeof part === "string" ? part : part.call).join(""), line, "no character is lost");
    });
  }

  test("a clinic's own number counts", () =>
    assert.deepEqual(of({ here: { ...WORDS.here, advice: "the clinic, 555 0100" } }).parts("call 555 0100"), ["call ", call("555 0100")]));
  test("a number with a country's code is called with it", () => {
    const abroad = of({ here: { ...WORDS.here, advice: "the clinic, +49 30 1234" } });
    assert.deepEqual(abroad.parts("call +49 30 1234 today"), ["call ", call("+49 30 1234"), " today"]);
    assert.deepEqual(abroad.calls("call +49 30 1234 today"), ["+49 30 1234"]);
  });
  test("a place without numbers is no problem", () => assert.deepEqual(of({ numbers: undefined }).parts("999 or 911"), ["999 or ", call("911")]));
});

describe("the known numbers in a text, each once", () => {
  const cases: readonly [string, string, string[]][] = [
    ["none", "Do 3 sets.", []],
    ["several", "911 or 988, else 911", ["911", "988"]],
    ["unknown left out", "5 times, then 116 123", ["116 123"]],
  ];
  for (const [name, text, numbers] of cases) test(name, () => assert.deepEqual(words.calls(text), numbers));
});

describe("placeholders are filled in", () => {
  const cases: readonly [string, string, object, string][] = [
    ["one", "Call {number}", { number: "911" }, "Call 911"],
    ["zero is a value", "{number} left", { number: 0 }, "0 left"],
    ["an empty text is a value", "[{number}]", { number: "" }, "[]"],
    ["the same twice", "{a} {a}", { a: 1 }, "1 1"],
    ["one without a value stays", "{a} {b}", { a: 1 }, "1 {b}"],
    ["null stays", "{a}", { a: null }, "{a}"],
    ["undefined stays", "{a}", { a: undefined }, "{a}"],
    ["braces in a value are not filled in again", "{a} {b}", { a: "{b}", b: 2 }, "{b} 2"],
    ["a value with $ is taken as it is", "{a}!", { a: "$& $1 $$" }, "$& $1 $$!"],
    ["other braces stay", "{a b} {} {{a}}", { a: 1 }, "{a b} {} {1}"],
    ["a value too many", "Hello", { a: 1 }, "Hello"],
  ];
  for (const [name, text, values, filled] of cases) test(name, () => assert.equal(of({ text }).fill("text", values), filled));
});

describe("the words at a path", () => {
  const cases: readonly [string, string][] = [
    ["typing", "One moment"], ["errors", ""], ["answers", ""], ["answers.list", ", "], ["nowhere.at.all", ""], ["typing.deeper.still", ""], ["signs", ""], ["", ""],
  ];
  for (const [path, text] of cases) test(JSON.stringify(path), () => assert.equal(words.get(path), text));
  test("a list", () => assert.deepEqual(words.list("signs"), ["chest pain", "numbness"]));
  test("no list", () => assert.deepEqual([words.list("typing"), words.list("nowhere.at.all")], [[], []]));
  test("null on the way", () => assert.equal(of({ exit: null }).get("exit.open"), ""));
});

describe("one or many", () => {
  const cases: readonly [number, string][] = [[1, "1 more page"], [0, "About 0 more pages"], [2, "About 2 more pages"], [11, "About 11 more pages"]];
  for (const [number, text] of cases) test(`${number}`, () => assert.equal(words.count("progress_left", number), text));
  test("by the language's own rule", () => {
    const polish = of({ language: "pl", pages: { one: "{number} strona", few: "{number} strony", other: "{number} stron" } });
    assert.deepEqual([1, 3, 5].map((number) => polish.count("pages", number)), ["1 strona", "3 strony", "5 stron"]);
  });
  test("a form that is not written is the other", () => assert.equal(of({ pages: { other: "{number} pages" } }).count("pages", 1), "1 pages"));
  test("without a language", () => assert.equal(of({ language: undefined }).count("progress_left", 1), "1 more page"));
});

describe("the address that calls a number", () => {
  const cases: readonly [string, string][] = [["911", "tel:911"], ["116 123", "tel:116123"], ["+1 555 0100", "tel:+15550100"], ["(0)30-12/34", "tel:0301234"]];
  for (const [number, address] of cases) test(number, () => assert.equal(tel(number), address));
});

test("a date is written as on the plan's pages", () => assert.equal(words.date("2026-11-28T12:00:00Z"), "28 November 2026"));
