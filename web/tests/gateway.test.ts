import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { Gateway, type Reply } from "../src/gateway.ts";
import { FakeServer, type Call, type Scripted } from "./_fakes.ts";

const NOTHING: Reply = { status: 0, data: null };

function at(endpoint = "https://chat.example/", answer: Scripted = { status: 200, body: {} }): { gateway: Gateway; server: FakeServer } {
  const server = new FakeServer();
  for (const route of ["GET words", "GET figure", "GET pictures", "GET resume", "POST session", "POST turn", "POST forget", "POST handout"]) server.always(route, answer);
  return { gateway: new Gateway(endpoint, server.fetch as typeof fetch), server };
}

describe("addresses", () => {
  const cases: readonly [string, string, string][] = [
    ["https://chat.example/", "/plan/abc", "https://chat.example/plan/abc"],
    ["https://chat.example", "/plan/abc", "https://chat.example/plan/abc"],
    ["https://chat.example", "plan/abc", "https://chat.example/plan/abc"],
    ["https://chat.example/check", "/plan/abc", "https://chat.example/check/plan/abc"],
    ["https://chat.example/check/", "/plan/abc", "https://chat.example/check/plan/abc"],
    ["https://chat.example/a/b", "plan/abc/pdf", "https://chat.example/a/b/plan/abc/pdf"],
    ["http://localhost:8000", "/api/words", "http://localhost:8000/api/words"],
  ];
  for (const [endpoint, path, address] of cases) {
    test(`${path} of ${endpoint}`, () => assert.equal(new Gateway(endpoint).address(path), address));
  }
});

describe("every call", () => {
  const cases: readonly [string, (gateway: Gateway) => Promise<unknown>, string, Call["body"]][] = [
    ["words", (gateway) => gateway.words(), "GET words", null],
    ["figure", (gateway) => gateway.figure(), "GET figure", null],
    ["pictures", (gateway) => gateway.pictures(), "GET pictures", null],
    ["resume", (gateway) => gateway.resume(), "GET resume", null],
    ["begin", (gateway) => gateway.begin(), "POST session", {}],
    ["begin with a code", (gateway) => gateway.begin({ code: "abc" }), "POST session", { code: "abc" }],
    ["begin with a patient", (gateway) => gateway.begin({ patient: "P" }), "POST session", { patient: "P" }],
    ["turn", (gateway) => gateway.turn({ id: "1", after: 2, text: "hi" }), "POST turn", { id: "1", after: 2, text: "hi" }],
    ["forget", (gateway) => gateway.forget(), "POST forget", null],
    ["handout", (gateway) => gateway.handout(), "POST handout", null],
  ];
  for (const [name, call, route, body] of cases) {
    test(name, async () => {
      const { gateway, server } = at("https://chat.example/check");
      gateway.token = "T";
      await call(gateway);
      assert.equal(server.calls.length, 1);
      const [made] = server.calls;
      assert.equal(made!.route, route);
      assert.equal(made!.url, `https://chat.example/check/api/${route.split(" ")[1]}`);
      assert.deepEqual(made!.body, body);
      assert.equal(made!.options.credentials, "omit");
      assert.equal(made!.options.referrerPolicy, "no-referrer");
      assert.ok(made!.options.signal instanceof AbortSignal);
      const headers = new Headers(made!.options.headers);
      // A conversation begins without the one before.
      assert.equal(headers.get("Authorization"), route === "POST session" ? null : "Bearer T");
      assert.equal(headers.get("Content-Type"), body ? "application/json" : null);
    });
  }

  test("without a token has no bearer", async () => {
    const { gateway, server } = at();
    await gateway.words();
    assert.equal(new Headers(server.calls[0]!.options.headers).has("Authorization"), false);
  });
  test("is made with the page's own fetch where none is given", async (t: TestContext) => {
    const own = t.mock.method(globalThis, "fetch", async () => new Response('{"own": true}'));
    assert.deepEqual(await new Gateway("https://chat.example").words(), { own: true });
    assert.equal(own.mock.callCount(), 1);
  });
});

describe("what comes back", () => {
  const statuses: readonly [number, object][] = [
    [200, { number: 1 }], [201, { token: "T" }], [400, { error: { code: "bad_answer" } }], [401, { error: { code: "bad_token" } }],
    [409, { error: { code: "stale" }, turn: { number: 2 } }], [429, { error: { code: "too_many" } }], [503, { error: { code: "not_saved" }, turn: {} }],
  ];
  for (const [status, body] of statuses) {
    test(`${status} with its data`, async () => assert.deepEqual(await at(undefined, { status, body }).gateway.turn({ id: "1", text: "hi" }), { status, data: body }));
  }

  const cases: readonly [string, Scripted][] = [
    ["not reached", "away"], ["200 that is a page, such as a hotel's", { status: 200, body: "<html>Log in</html>" }], ["200 that is empty", { status: 200, body: "" }],
    ["200 that is cut off", { status: 200, body: '{"number": 1' }],
  ];
  for (const [name, answer] of cases) {
    test(`${name} is no answer`, async () => {
      const { gateway } = at(undefined, answer);
      assert.deepEqual(await gateway.turn({ id: "1", text: "hi" }), NOTHING);
      assert.deepEqual(await gateway.resume(), NOTHING);
      assert.equal(await gateway.words(), null);
    });
  }

  // A proxy before the gateway answers with pages of its own. "Too large" will never be taken, and "too many" is no broken network.
  for (const status of [413, 429, 502, 503, 504]) {
    test(`a proxy's ${status} page keeps its status`, async () =>
      assert.deepEqual(await at(undefined, { status, body: `<html>${status}</html>` }).gateway.turn({ id: "1", text: "hi" }), { status, data: null }));
  }

  for (const status of [201, 401, 404, 429, 500]) {
    test(`words, figure and pictures are null with ${status}`, async () => {
      const { gateway } = at(undefined, { status, body: { pictures: [] } });
      assert.deepEqual([await gateway.words(), await gateway.figure(), await gateway.pictures()], [null, null, null]);
    });
  }
});

describe("time", () => {
  test("a call is given up after more than the gateway takes for a turn, and soon after", async (t: TestContext) => {
    const timeout = t.mock.method(AbortSignal, "timeout", () => new AbortController().signal);
    await at().gateway.turn({ id: "1", text: "hi" });
    const [milliseconds] = timeout.mock.calls[0]!.arguments;
    // TURN_SECONDS and ASK_AGAIN_SECONDS of plateau/server/_turns.py.
    assert.ok(milliseconds! > 22_000 && milliseconds! <= 30_000, `${milliseconds}`);
  });
  test("a call that takes too long is no answer", async (t: TestContext) => {
    const over = new AbortController();
    t.mock.method(AbortSignal, "timeout", () => over.signal);
    const never = (_: unknown, { signal }: RequestInit): Promise<Response> =>
      new Promise((_, reject) => { signal!.addEventListener("abort", () => reject(signal!.reason)); });
    const reply = new Gateway("https://chat.example", never as typeof fetch).turn({ id: "1", text: "hi" });
    over.abort(new DOMException("late", "TimeoutError"));
    assert.deepEqual(await reply, NOTHING);
  });
});
