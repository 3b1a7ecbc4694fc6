import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { Memory, NEW_VISIT, type Entry, type Visit } from "../src/memory.ts";
import { asStorage, FakeStore, says } from "./_fakes.ts";

const entry = (number: number): Entry => ({ said: [], messages: [says(`${number}`)], heading: "" });
const VISIT: Visit = {
  known: true, who: "patient-4711", open: true, number: 3, log: [entry(1)], screen: "first", drafts: { pain: { picked: ["3"] } }, text: "my kn",
  unsent: { key: "{}", body: { id: "id-1", after: 3, text: "hello" }, said: [{ label: null, answer: "hello" }] },
};

/** Every kind of storage that a browser can have; what one page keeps is asked of that same page. */
const STORES: readonly [string, () => FakeStore | null][] = [
  ["no storage at all", () => null],
  ["storage", () => new FakeStore()],
  ["storage that throws on write", () => Object.assign(new FakeStore(), { broken: "write" as const })],
];

for (const [name, make] of STORES) {
  describe(name, () => {
    const memory = (): Memory => {
      const store = make();
      return new Memory(store && asStorage(store));
    };
    test("is empty at first", () => {
      const fresh = memory();
      assert.equal(fresh.token, null);
      assert.deepEqual(fresh.visit, NEW_VISIT);
    });
    test("gives the token back", () => {
      const held = memory();
      held.token = "T";
      assert.equal(held.token, "T");
      held.token = null;
      assert.equal(held.token, null);
    });
    test("gives the visit back", () => {
      const held = memory();
      held.visit = VISIT;
      assert.deepEqual(held.visit, VISIT);
    });
    test("keeps the last 40 entries", () => {
      const held = memory();
      held.visit = { ...VISIT, log: Array.from({ length: 45 }, (_, number) => entry(number)) };
      assert.deepEqual(held.visit.log.map(({ messages }) => messages[0]!.text), Array.from({ length: 40 }, (_, number) => `${number + 5}`));
    });
    test("is empty when cleared", () => {
      const held = memory();
      held.token = "T";
      held.visit = VISIT;
      held.clear();
      assert.equal(held.token, null);
      assert.deepEqual(held.visit, NEW_VISIT);
    });
  });
}

describe("after a reload", () => {
  const after = (store: FakeStore): Memory => new Memory(asStorage(store));

  test("token and visit are there", () => {
    const store = new FakeStore();
    const before = after(store);
    before.token = "T";
    before.visit = VISIT;
    assert.equal(after(store).token, "T");
    assert.deepEqual(after(store).visit, VISIT);
  });
  test("nothing is left when cleared", () => {
    const store = new FakeStore();
    const before = after(store);
    before.token = "T";
    before.visit = VISIT;
    before.clear();
    assert.deepEqual([...store.held], []);
  });
  test("a store that became full keeps the token, and this page what it last wrote", () => {
    const store = new FakeStore();
    after(store).token = "T";
    const later = after(store);
    store.broken = "write";
    later.visit = VISIT;
    assert.equal(later.token, "T");
    assert.deepEqual(later.visit, VISIT);
  });

  test("a store that became full is emptied all the same", () => {
    for (const end of ["clear", "close"] as const) {
      const store = new FakeStore();
      const before = after(store);
      before.token = "T";
      before.visit = VISIT;
      store.broken = "write";
      before.visit = { ...VISIT, number: 4 };
      before[end]();
      assert.deepEqual([...store.held], [], end);
    }
  });

  const broken: readonly [string, string][] = [["not JSON", "{"], ["empty", ""], ["null", "null"], ["a number", "3"], ["a text", '"x"'], ["a list", "[]"]];
  for (const [name, kept] of broken) {
    test(`a visit that is ${name} counts as none, and the token stays`, () => {
      const store = new FakeStore();
      store.held.set("plateau-visit", kept);
      store.held.set("plateau-token", "T");
      const { log, number, screen, drafts, text, unsent } = after(store).visit;
      assert.deepEqual({ log, number, screen, drafts, text, unsent }, { log: [], number: null, screen: null, drafts: {}, text: "", unsent: null });
      assert.equal(after(store).token, "T");
    });
  }
  test("what an older version did not keep is as in a new visit", () => {
    const store = new FakeStore();
    store.held.set("plateau-visit", JSON.stringify({ number: 7 }));
    assert.deepEqual(after(store).visit, { ...NEW_VISIT, number: 7 });
  });
});

describe("the tab's own storage", () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  const be = (get: () => unknown): void => { Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get }); };
  afterEach(() => {
    if (own) Object.defineProperty(globalThis, "sessionStorage", own);
    else Reflect.deleteProperty(globalThis, "sessionStorage");
  });

  test("is used", () => {
    const store = new FakeStore();
    be(() => store);
    Memory.ofTab().token = "T";
    assert.equal(Memory.ofTab().token, "T");
  });
  test("is done without where the browser refuses it", () => {
    be(() => { throw new DOMException("refused", "SecurityError"); });
    const memory = Memory.ofTab();
    memory.token = "T";
    assert.equal(memory.token, "T");
    assert.equal(Memory.ofTab().token, null);
  });
});

test("a new visit is never changed by another", () => {
  const memory = new Memory(null);
  memory.visit = VISIT;
  assert.deepEqual(NEW_VISIT, { known: false, who: "", open: false, number: null, log: [], screen: null, drafts: {}, text: "", unsent: null });
});
