/* The patient's page: shows what the gateway sends as one turn, sends back answers, typed words or a command.
   No text of its own (all words come from GET api/words) and no HTML from data: only textContent. */

const TOKEN = "plateau-token";
const KNOWN = "plateau-known";
const TIMEOUT = 30_000;
const BUSY_WAITS = [300, 900];
const LONG = 140;
const MANY = 6;
const SCREEN_TOOLS = ["mistake", "checked", "back", "skip", "dont_know", "why", "human"];
const SESSION_TOOLS = ["stop", "restart"];

const $ = (id) => document.getElementById(id);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let words;
let screen = null;
let fields = [];
let unsent = null;
let handout = null;
let busy = false;

// ---------------------------------------------------------------- words and elements

const word = (path) => path.split(".").reduce((node, step) => node?.[step], words) ?? "";

const fill = (path, values) => word(path).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

const longDate = (date) => new Intl.DateTimeFormat(word("dates"), { dateStyle: "long" }).format(date);

/** Build an element: `class` and other attributes by name, `on*` as listeners, false or null leaves one out. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

const hidden = (text) => h("span", { class: "visually-hidden" }, text);

/** Split plain text into paragraphs, and lists where lines start with "- "; `inline` renders the words of a line. */
function prose(text, inline = (line) => line) {
  const blocks = [];
  for (const line of text.split("\n").map((part) => part.trim()).filter(Boolean)) {
    if (!line.startsWith("- ")) {
      blocks.push(h("p", {}, inline(line)));
      continue;
    }
    if (blocks.at(-1)?.tagName !== "UL") blocks.push(h("ul"));
    blocks.at(-1).append(h("li", {}, inline(line.slice(2))));
  }
  return blocks;
}

function fillShell() {
  document.title = fill("title", word("here"));
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  $("help-signs").append(...word("emergency.signs").map((sign) => h("li", {}, sign)));
  $("help-calls").append(...callButtons(`${word("here.emergency")}, ${word("here.crisis")}`),
    callLink(fill("emergency.call_clinic", word("here")), word("here.phone")));
  $("help-numbers").append(...countryNumbers());
  $("app").hidden = false;
  // What is scrolled to must not hide under the header, which is as tall as the clinic's name needs.
  new ResizeObserver(() => {
    document.documentElement.style.scrollPaddingTop = `${document.querySelector(".bar").offsetHeight + 12}px`;
  }).observe(document.querySelector(".bar"));
}

// ---------------------------------------------------------------- phone numbers

const NUMBER = /\d(?:[\d ]*\d)?/g;

const callLink = (text, number, style = "call") => h("a", { class: style, href: `tel:${number.replace(/[^\d+]/g, "")}` }, text);

/** The words of `line`, with every phone number in it that we know as a link. */
function withCalls(line) {
  const parts = [];
  let from = 0;
  for (const { 0: number, index } of line.matchAll(NUMBER)) {
    if (!knownNumbers().has(number)) continue;
    parts.push(line.slice(from, index), callLink(number, number, "inline-call"));
    from = index + number.length;
  }
  return [...parts, line.slice(from)];
}

function knownNumbers() {
  const places = [word("here"), ...Object.values(word("numbers"))];
  const texts = places.flatMap(({ emergency, crisis, advice }) => [emergency, crisis, advice]);
  return new Set(texts.flatMap((text) => text.match(NUMBER) ?? []));
}

const countryNumbers = () => Object.entries(word("numbers")).map(([code, { emergency, crisis }]) => h("div", {},
  h("dt", {}, word(`countries.${code}`)),
  h("dd", {}, withCalls(fill("emergency.emergency_line", { number: emergency }))),
  h("dd", {}, withCalls(fill("emergency.crisis_line", { number: crisis })))));

function callButtons(text) {
  const named = new Set((text.match(NUMBER) ?? []).filter((number) => knownNumbers().has(number)));
  return [...named].map((number) => callLink(fill("emergency.call", { number }), number));
}

// ---------------------------------------------------------------- the conversation

function announce(lines) {
  const note = h("p", {}, lines.filter(Boolean).join("\n"));
  $("live").append(note);
  setTimeout(() => note.remove(), 1000);
}

/** Show what the patient sent: [{ label, answer }], label null for typed words and commands. */
function logPatient(entries) {
  const lines = entries.map(({ label, answer }) =>
    h("p", {}, label && h("span", { class: "asked" }, label), label && " ", answer));
  return h("li", { class: "entry patient" }, hidden(`${word("you")}: `), lines);
}

function logMessage(message, heading) {
  const attributes = { class: `entry ${message.kind === "question" ? "say" : message.kind}`, "data-response": message.id };
  if (message.kind === "emergency") {
    const calls = callButtons(message.text);
    return h("li", attributes,
      heading && h("h2", { tabindex: "-1", class: "takes-focus" }, heading),
      prose(message.text),
      calls.length > 0 && h("p", { class: "calls" }, calls),
      heading && !calls.length && h("dl", { class: "numbers" }, countryNumbers()));
  }
  if (message.kind === "urgent") {
    return h("li", attributes, h("p", { class: "tag" }, word("urgent.label")), prose(message.text, withCalls));
  }
  if (message.kind === "plan") return h("li", attributes, planOf(message));
  return h("li", attributes, hidden(`${word("assistant")}: `), prose(message.text));
}

/** The recommendations as numbered cards; the other parts of the plan (for hard days, what can wait) as plain cards. */
function planOf({ text, items }) {
  if (!items) return h("div", { class: "plan-part" }, planPart(text));
  // What the text says after the last card ("Also worth a talk") has no card of its own.
  const { because } = items.at(-1);
  const rest = because && text.includes(because) ? text.slice(text.lastIndexOf(because) + because.length) : "";
  return [
    h("h2", { tabindex: "-1", class: "takes-focus" }, word("plan.heading")),
    h("p", { class: "print-only" }, fill("plan.printed", { date: longDate(new Date()) })),
    h("ol", { class: "plan-items" }, items.map((item) =>
      h("li", {}, h("h3", {}, item.title), prose(item.text),
        item.because && h("p", { class: "because" }, fill("plan.because", item))))),
    rest.trim() && h("div", { class: "plan-part" }, prose(rest)),
  ];
}

/** A first line that ends with a colon is the heading of the lines after it. */
function planPart(text) {
  const [first, ...rest] = text.split("\n");
  if (!rest.length || !first.endsWith(":")) return prose(text, withCalls);
  return [h("h3", {}, first.slice(0, -1)), prose(rest.join("\n"), withCalls)];
}

const spoken = ({ text, items }) => items ? items.map(({ title }) => title).join("\n") : text;

/** The messages to show, an emergency first; an emergency screen always has one. The screen itself asks its questions. */
function inOrder({ messages, screen: next }) {
  const urgent = messages.filter(({ kind }) => kind === "emergency");
  const rest = messages.filter(({ kind }) => kind !== "emergency" && !(kind === "question" && next?.questions.length));
  if (next?.kind === "emergency" && !urgent.length) urgent.push({ id: next.id, kind: "emergency", text: word("emergency.lead") });
  return [...urgent, ...rest];
}

function logTurn(turn, messages, said) {
  const title = turn.screen?.kind === "emergency" ? turn.screen.title : "";
  const shown = messages.map((message, index) => logMessage(message, index === 0 && (title || word("emergency.card_heading"))));
  const entries = said.length ? [logPatient(said), ...shown] : shown;
  const marks = messages.some(({ kind }) => kind === "plan") ? ["latest", "printed"] : ["latest"];
  for (const old of $("log").children) old.classList.remove(...marks);
  for (const entry of entries) entry.classList.add(...marks);
  $("log").append(...entries);
  return shown;
}

/** Show one turn. `gesture`: it follows a press or key of the patient, so focus may move to what is new. */
function showTurn(turn, { said = [], gesture = false } = {}) {
  const typing = $("say").contains(document.activeElement);
  const messages = inOrder(turn);
  const shown = logTurn(turn, messages, said);
  screen = turn.screen;
  // A new plan has no links yet.
  if (screen?.kind !== "plan" || messages.some(({ kind }) => kind === "plan")) handout = null;
  document.body.dataset.screen = screen?.kind ?? "none";
  renderScreen();

  const urgent = shown.find((entry) => entry.matches(".emergency"));
  const target = urgent ?? shown.find((entry) => entry.matches(".plan"));
  const heading = target?.querySelector(".takes-focus") ?? $("step").querySelector(".takes-focus") ?? $("step");
  const moves = urgent || (gesture && !typing);
  announce([...messages.map(spoken), ...(moves ? [] : (screen?.questions ?? []).map(({ text }) => text))]);
  if (moves) heading.focus({ preventScroll: true });
  if (moves || gesture) reveal(target ?? shown[0] ?? $("step"));
}

function reveal(element) {
  element.scrollIntoView({ block: "start", behavior: reducedMotion.matches ? "auto" : "smooth" });
}

// ---------------------------------------------------------------- the fields of a question
// Each kind gives { parts, read }; read() gives { draft } (what is there), { value } when it is an answer,
// { problem } (a key of words.problems) when it is not, and { at } the control to mend.

const isGiven = (value) => value !== null && value !== undefined && value !== "unknown" && value !== "skipped";
// Any other question is passed over with "Skip" or "I don't know", so that nobody skips a safety question unawares.
const mayBeEmpty = (question) => question.optional && question.kind === "text";
const controlId = (question, part) => `${question.id}-${part}`;
const titleOf = (question, value) => question.options?.find((option) => option.value === value)?.title ?? String(value);

function options(question, type, picked) {
  return question.options.map((option) => h("label", { class: "option" },
    h("input", { type, name: question.id, value: option.value, checked: picked.includes(option.value) }),
    h("span", {}, option.title)));
}

const checkedIn = (parts) => parts.flatMap((part) => [...part.querySelectorAll("input:checked")]).map((input) => input.value);

function choiceField(question, current) {
  const parts = [h("div", { class: `options${question.options.length > MANY ? " many" : ""}` }, options(question, "radio", [current]))];
  const read = () => {
    const [draft] = checkedIn(parts);
    return { draft, value: draft, problem: "choice", at: parts[0].querySelector("input") };
  };
  return { parts, read, show: (value) => titleOf(question, value) };
}

function multiField(question, current) {
  const alone = ({ target }) => {
    for (const box of parts[1].querySelectorAll("input")) {
      if (box !== target && target.checked && (target.value === "none" || box.value === "none")) box.checked = false;
    }
  };
  const parts = [
    h("p", { class: "hint", id: controlId(question, "hint") }, word("fields.multi_hint")),
    h("div", { class: "options", onchange: alone }, options(question, "checkbox", isGiven(current) ? current : [])),
  ];
  const read = () => {
    const draft = checkedIn(parts);
    return { draft, value: draft.length ? draft : undefined, problem: "multi", at: parts[1].querySelector("input") };
  };
  return { parts, read, show: (values) => values.map((value) => titleOf(question, value)).join(word("answers.list")) };
}

function nprsField(question, current) {
  const { min = 0, max = 10, anchors } = question;
  const numbers = Array.from({ length: max - min + 1 }, (_, index) => min + index);
  const anchor = (number) => number === min ? anchors?.low : number === max ? anchors?.high : null;
  const parts = [
    h("div", { class: "scale" }, numbers.map((number) => h("label", {},
      h("input", { type: "radio", name: question.id, value: number, checked: current === number }),
      h("span", {}, String(number), anchor(number) && hidden(`, ${anchor(number)}`))))),
    anchors && h("div", { class: "anchors", "aria-hidden": "true" },
      h("span", {}, fill("fields.anchor", { number: min, anchor: anchors.low })),
      h("span", {}, fill("fields.anchor", { number: max, anchor: anchors.high }))),
  ];
  const read = () => {
    const draft = checkedIn([parts[0]]).map(Number)[0];
    return { draft, value: draft, problem: "nprs", at: parts[0].querySelector("input") };
  };
  return { parts, read, show: String };
}

/** A number; `none` beside it ("No operation") is an answer without a number. */
function numberField(question, current) {
  const { min, max, unit } = question;
  const instead = question.none;
  const bounded = isGiven(min) && isGiven(max);
  const input = h("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", id: controlId(question, "input"), class: "number",
    value: isGiven(current) && current !== instead?.value ? current : "",
    "aria-labelledby": `${controlId(question, "legend")} ${unit ? controlId(question, "unit") : ""}`.trim(),
    "aria-describedby": controlId(question, "problem"),
    oninput: () => { if (box) box.checked = false; },
  });
  const box = instead && h("input", {
    type: "checkbox", name: question.id, value: instead.value, checked: current === instead.value,
    onchange: () => { if (box.checked) input.value = ""; },
  });
  const parts = [
    h("div", { class: "with-unit" }, input, unit && h("span", { id: controlId(question, "unit") }, unit)),
    instead && h("label", { class: "option" }, box, h("span", {}, instead.title)),
  ];
  const read = () => {
    if (box?.checked) return { draft: instead.value, value: instead.value };
    const draft = input.value.trim();
    const [, digits, more] = draft.match(/^(\d+(?:[.,]\d+)?)\s*(.*)$/) ?? [];
    const number = Number(digits?.replace(",", "."));
    // "8 weeks" is fine where weeks are asked; "2 months" is not 2.
    const fits = Number.isFinite(number) && !(number < min) && !(number > max) && (!more || Boolean(unit?.startsWith(more)));
    const problem = bounded ? "number_range" : "number";
    return { draft, value: draft && fits ? number : undefined, wrong: Boolean(draft) && !fits, problem, at: input };
  };
  const show = (value) => value === instead?.value ? instead.title : [value, unit].filter(isGiven).join(" ");
  return { parts, read, show };
}

function textField(question, current) {
  const input = h("textarea", {
    rows: 3, maxlength: 2000, id: controlId(question, "input"), "aria-labelledby": controlId(question, "legend"),
    "aria-describedby": controlId(question, "problem"),
  }, isGiven(current) ? String(current) : "");
  const read = () => {
    const draft = input.value.trim();
    return { draft, value: draft || undefined, problem: "text", at: input };
  };
  return { parts: [input], read, show: String };
}

function activitiesField(question, current) {
  const given = Array.isArray(current) ? current : [];
  const { low, high } = question.anchors ?? {};
  const scores = [
    h("option", { value: "" }, word("fields.score_choose")),
    ...Array.from({ length: 11 }, (_, number) => {
      const anchor = { 0: low, 10: high }[number];
      return h("option", { value: number }, anchor ? fill("fields.anchor", { number, anchor }) : String(number));
    }),
  ];
  const rows = [1, 2, 3].map((number) => {
    const row = given[number - 1] ?? {};
    const ids = { name: controlId(question, `name-${number}`), score: controlId(question, `score-${number}`) };
    const name = h("input", { type: "text", id: ids.name, maxlength: 200, value: row.activity ?? "", autocomplete: "off", "aria-describedby": controlId(question, "problem") });
    const score = h("select", { id: ids.score, "aria-describedby": controlId(question, "problem") }, scores.map((option) => option.cloneNode(true)));
    score.value = isGiven(row.score) ? String(row.score) : "";
    const label = fill("fields.activity", { number });
    const element = h("div", { class: "activity" },
      h("div", {}, h("label", { for: ids.name }, label), name),
      h("div", {}, h("label", { for: ids.score }, hidden(`${label}: `), word("fields.score")), score));
    return { element, name, score };
  });
  const parts = rows.map(({ element }) => element);
  const read = () => {
    const draft = rows.map(({ name, score }) => ({ activity: name.value.trim(), score: score.value === "" ? null : Number(score.value) }));
    const half = draft.findIndex(({ activity, score }) => Boolean(activity) !== (score !== null));
    const value = draft.filter(({ activity }) => activity);
    if (half >= 0) {
      const { activity } = draft[half];
      return { draft, wrong: true, problem: activity ? "activity_score" : "activity_name", at: activity ? rows[half].score : rows[half].name };
    }
    return { draft, value: value.length ? value : undefined, problem: "activities", at: rows[0].name };
  };
  return { parts, read, show: (value) => value.map((row) => fill("answers.activity", row)).join(word("answers.list")) };
}

const KINDS = {
  choice: choiceField, multi: multiField, nprs: nprsField, number: numberField, text: textField, activities: activitiesField,
};

function fieldOf(question, draft) {
  const kind = KINDS[question.kind](question, draft);
  const ids = { legend: controlId(question, "legend"), help: controlId(question, "help"), problem: controlId(question, "problem") };
  const problem = h("p", { class: "problem", id: ids.problem, hidden: true });
  const described = [question.help && ids.help, ids.problem].filter(Boolean).join(" ");
  const single = question.kind === "choice" || question.kind === "nprs";
  const element = h("fieldset", {
    class: `question ${question.kind}`, "data-question": question.id, role: single && "radiogroup", "aria-describedby": described,
  },
  h("legend", { id: ids.legend, class: question.text.length > LONG && "long" }, question.text),
  question.help && h("p", { class: "hint", id: ids.help }, question.help),
  mayBeEmpty(question) && h("p", { class: "hint" }, word("optional")),
  problem, kind.parts);
  return { question, element, problem, read: kind.read, show: kind.show };
}

// ---------------------------------------------------------------- the screen

/** What the patient has filled in stays when the same questions come back (after "Why do you ask?", say),
    unless the gateway has since read another answer for them. */
function draftOf(question, before) {
  const old = before.find((field) => field.question.id === question.id);
  if (!old || JSON.stringify(old.question.current) !== JSON.stringify(question.current)) return question.current;
  return old.read().draft ?? question.current;
}

function renderScreen() {
  const before = $("step").dataset.id === screen?.id ? fields : [];
  const drafts = new Map((screen?.questions ?? []).map((question) => [question.id, draftOf(question, before)]));
  $("step").dataset.id = screen?.id ?? "";
  $("trouble").replaceChildren();
  fields = (screen?.questions ?? []).map((question) => fieldOf(question, drafts.get(question.id)));
  $("say").hidden = !sessionStorage.getItem(TOKEN);
  $("come-back").hidden = !atStart();
  renderSessionTools();
  if (!screen) return $("step").replaceChildren();

  const { section, kind, title } = screen;
  const named = title === section?.title || (fields.length === 1 && title === fields[0].question.text);
  $("step").replaceChildren(...[
    section && h("div", { class: "progress" },
      h("p", { id: "progress-text" }, fill("progress", section)),
      h("progress", { value: section.number, max: section.of, "aria-labelledby": "progress-text" })),
    kind !== "emergency" && h("h2", { tabindex: "-1", class: `takes-focus${named ? " visually-hidden" : ""}` }, title || word("current_step")),
    kind === "review" && reviewOf(screen.rows),
    h("form", { novalidate: true, onsubmit: submitAnswers }, fields.map(({ element }) => element), mainButton()),
    kind === "plan" && keepPart(),
    kind === "plan" && h("details", {}, h("summary", {}, word("review.heading")), reviewOf(screen.rows)),
    toolbar(),
  ].filter(Boolean));
}

function mainButton() {
  const main = screen.questions.length ? [h("button", { class: "button primary" }, word("commands.continue"))]
    : ["confirm", "resume"].filter((name) => screen.commands.includes(name)).map((name) => commandButton(name, "button primary"));
  return main.length > 0 && h("p", { class: "main-action" }, main);
}

function toolbar() {
  const names = SCREEN_TOOLS.filter((name) => screen.commands.includes(name));
  const style = screen.kind === "emergency" ? "button" : "button quiet";
  return h("div", { class: "toolbar" }, names.map((name) => commandButton(name, style)));
}

function renderSessionTools() {
  for (const old of $("session-tools").querySelectorAll("[data-command]")) old.remove();
  const names = SESSION_TOOLS.filter((name) => screen?.commands.includes(name));
  $("session-tools").prepend(...names.map((name) => commandButton(name, "button quiet")));
}

const commandButton = (name, style) =>
  h("button", { type: "button", class: style, "data-command": name, onclick: () => runCommand(name) }, word(`commands.${name}`));

function reviewOf(rows) {
  const groups = [];
  for (const row of rows) {
    const section = row.section || word("review.rest");
    if (groups.at(-1)?.section !== section) groups.push({ section, rows: [] });
    groups.at(-1).rows.push(row);
  }
  return h("div", { class: "review" }, groups.map((group) => [
    h("h3", {}, group.section),
    h("dl", {}, group.rows.map((row) => h("div", {},
      h("dt", {}, row.label),
      h("dd", { class: "answer" }, row.answer || word("answers.none_given")),
      screen.commands.includes("change") && h("dd", {}, h("button", {
        type: "button", class: "button small", "data-change": row.question,
        "aria-label": fill("commands.change_what", row),
        onclick: () => runCommand("change", row),
      }, word("commands.change")))))),
  ]));
}

/** Nothing is answered yet, and nobody has been recognised. */
const atStart = () => screen?.kind === "questions" && !screen.commands.includes("back")
  && !screen.questions.some(({ current }) => isGiven(current)) && !sessionStorage.getItem(KNOWN);

// ---------------------------------------------------------------- the plan to keep

function keepPart() {
  return h("section", { id: "keep", "aria-labelledby": "keep-heading" },
    h("h3", { id: "keep-heading", tabindex: "-1", class: "takes-focus" }, word("keep.heading")),
    handout ? [keptLinks(), keptCode()] : h("p", {}, word("keep.intro")),
    h("p", { class: "main-action" },
      !handout && h("button", { type: "button", class: "button primary", onclick: keep }, word("keep.open")),
      h("button", { type: "button", class: "button", onclick: () => print() }, word("plan.print"))));
}

function keptLinks() {
  const tab = { target: "_blank", rel: "noopener" };
  // Where help comes first, there is nothing to put in a calendar.
  const links = [["plan", tab], ["plan_pdf", { download: true }], ["calendar", {}], ["summary", tab]]
    .filter(([name]) => handout[name]);
  return [
    h("ul", { class: "kept" }, links.map(([name, attributes]) => h("li", {},
      h("a", { class: "button", id: `kept-${name}`, href: handout[name], ...attributes },
        word(`keep.${name}`), attributes === tab && hidden(` (${word("keep.new_tab")})`)),
      h("p", { class: "hint" }, word(`keep.about.${name}`))))),
    h("p", { class: "hint" }, fill("keep.until", { date: longDate(new Date(handout.until)) })),
  ];
}

function keptCode() {
  const done = h("p", { class: "hint", role: "status" });
  const code = h("p", { class: "code" }, handout.code);
  const copy = async () => {
    let note = "keep.copied";
    try {
      await navigator.clipboard.writeText(handout.code);
    } catch {
      getSelection().selectAllChildren(code);
      note = "keep.selected";
    }
    done.textContent = word(note);
  };
  return h("div", { class: "kept-code" },
    h("h4", {}, word("keep.code")), code,
    h("p", {}, fill("keep.private", { date: longDate(new Date(handout.code_until)) })),
    h("button", { type: "button", class: "button", onclick: copy }, word("keep.copy")), done);
}

/** Ask for the links, which are made only now. */
function keep() {
  return whileBusy(async () => {
    $("trouble").replaceChildren();
    const answer = await call("POST", "handout");
    if (answer.status === 401) return explain(answer);
    if (answer.status !== 201) return showTrouble("keep", "errors.retry", keep);
    handout = answer.data;
    $("keep").replaceWith(keepPart());
    $("keep-heading").focus({ preventScroll: true });
    reveal($("keep"));
  });
}

// ---------------------------------------------------------------- what the patient does

function showProblem(field, { problem, at }) {
  const ways = ["dont_know", "skip"].filter((name) => screen.commands.includes(name)).map((name) => word(`commands.${name}`));
  field.problem.textContent = [fill(`problems.${problem}`, field.question),
    ways.length ? fill("problems.or_command", { commands: ways.join(word("answers.list")) }) : ""].join(" ").trim();
  field.problem.hidden = false;
  if (field.element.getAttribute("role") === "radiogroup") field.element.setAttribute("aria-invalid", "true");
  else if (field.question.kind !== "multi") at.setAttribute("aria-invalid", "true");
  field.element.classList.add("has-problem");
  return at;
}

function clearProblems() {
  for (const { element, problem } of fields) {
    problem.hidden = true;
    problem.textContent = "";
    element.classList.remove("has-problem");
    for (const invalid of [element, ...element.querySelectorAll("[aria-invalid]")]) invalid.removeAttribute("aria-invalid");
  }
}

const isAnswered = ({ value }) => value !== undefined;

/** Send what is filled in; `instead` ("unknown" or "skipped") stands for what is not, and asks for nothing more. */
function sendAnswers(instead) {
  clearProblems();
  const reads = fields.map((field) => [field, field.read()]);
  const wrong = reads.filter(([field, read]) => read.wrong || (!instead && !isAnswered(read) && !mayBeEmpty(field.question)));
  if (wrong.length) return wrong.map(([field, read]) => showProblem(field, read))[0].focus();
  const answers = Object.fromEntries(reads.map(([{ question }, read]) => [question.id, isAnswered(read) ? read.value : instead ?? "skipped"]));
  const said = reads.map(([field, read]) => ({
    label: field.question.text.length > LONG ? screen.title : field.question.text,
    answer: isAnswered(read) ? field.show(read.value) : word("answers.none_given"),
  }));
  send({ answers }, { said });
}

function submitAnswers(event) {
  event.preventDefault();
  // Someone who typed below and pressed Continue means the typed words.
  const nothingPicked = fields.every((field) => !isAnswered(field.read()) && !field.read().wrong);
  if (nothingPicked && $("say-text").value.trim()) sayIt();
  else sendAnswers();
}

async function runCommand(name, row) {
  const passes = { skip: "skipped", dont_know: "unknown" }[name];
  // The answers already filled in on this screen must not be lost with the ones passed over.
  if (passes && fields.length > 1 && fields.some((field) => isAnswered(field.read()))) return sendAnswers(passes);
  if (name === "restart" && !(await ask("restart"))) return;
  const question = row?.question ?? (name === "why" && fields.length === 1 ? fields[0].question.id : undefined);
  const answer = row ? fill("commands.change_what", row) : word(`commands.${name}`);
  send({ command: question ? { name, question } : { name } }, { said: [{ label: null, answer }] });
}

function sayIt() {
  const text = $("say-text").value.trim();
  $("say-problem").hidden = Boolean(text);
  if (!text) return $("say-text").focus();
  send({ text }, { said: [{ label: null, answer: text }] });
}

function ask(what) {
  const dialog = $("confirm");
  for (const [id, key] of [["heading", "heading"], ["text", "text"], ["no", "cancel"], ["yes", "confirm"]]) {
    $(`confirm-${id}`).textContent = word(`${what}.${key}`);
  }
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// ---------------------------------------------------------------- the gateway

/** Call the gateway; gives { status, data }. Status 0: it was not reached, or not in time. */
async function call(method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(`api/${path}`, {
      method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT),
    });
    return { status: response.status, data: await response.json() };
  } catch {
    return { status: 0, data: null };
  }
}

function setBusy(value) {
  busy = value;
  $("app").setAttribute("aria-busy", String(value));
}

/** Run `work` with the typing sign after 400 ms; what is pressed meanwhile is not taken. */
async function whileBusy(work) {
  if (busy) return;
  setBusy(true);
  const sign = setTimeout(() => {
    $("typing").hidden = false;
    announce([word("typing")]);
  }, 400);
  try {
    await work();
  } finally {
    clearTimeout(sign);
    $("typing").hidden = true;
    setBusy(false);
  }
}

const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** Send one turn. The same content after a failure keeps its id, so that the gateway takes it only once. */
function send(content, echo) {
  if (busy) return;
  const key = JSON.stringify(content);
  if (unsent?.key !== key) unsent = { key, body: { id: crypto.randomUUID(), ...content } };
  return whileBusy(async () => {
    $("trouble").replaceChildren();
    let answer = await call("POST", "turn", unsent.body);
    for (const pause of BUSY_WAITS) {
      if (answer.status !== 409) break;
      await wait(pause);
      answer = await call("POST", "turn", unsent.body);
    }
    if (answer.status !== 200) return explain(answer, () => send(content, echo));
    unsent = null;
    if (content.text !== undefined) $("say-text").value = "";
    showTurn(answer.data, { ...echo, gesture: true });
  });
}

const troubleOf = (status) => {
  if (status === 0) return "network";
  if (status === 401) return "ended";
  if (status === 409) return "busy";
  if (status === 429) return "wait";
  return status >= 500 ? "not_saved" : "refused";
};

function explain({ status, data }, again) {
  const trouble = troubleOf(status);
  // What is not saved may still have been heard: the safety net's words come with the failure.
  const urgent = (data?.turn?.messages ?? []).filter(({ kind }) => kind === "emergency");
  if (trouble === "ended") return showTrouble(trouble, "session.begin", begin);
  if (trouble === "refused") return showTrouble(trouble);
  showTrouble(trouble, "errors.again", again);
  if (!urgent.length) return;
  $("trouble").prepend(h("ul", { class: "plain" }, urgent.map((message) => logMessage(message, word("emergency.card_heading")))));
  $("trouble").querySelector(".takes-focus").focus();
}

function showTrouble(name, button, action) {
  $("trouble").replaceChildren(
    h("p", {}, word(`errors.${name}`)),
    h("p", {}, word("errors.unwell")),
    ...(button ? [h("p", {}, h("button", { type: "button", class: "button primary", onclick: action }, word(button)))] : []));
  $("trouble").scrollIntoView({ block: "nearest" });
}

/** Open a new conversation. */
function begin(event, notice) {
  return whileBusy(async () => {
    leave();
    const { status, data } = await call("POST", "session");
    if (status !== 201) return showTrouble("load", "errors.retry", () => begin());
    fields = [];
    enter(data, { notice, gesture: Boolean(event) });
  });
}

/** Be in the conversation that the gateway has just begun. */
function enter({ token, turn }, { notice, gesture }) {
  sessionStorage.setItem(TOKEN, token);
  unsent = null;
  $("log").replaceChildren();
  const said = notice ? [{ id: `page.${notice}`, kind: "notice", text: word(notice) }] : [];
  showTurn({ ...turn, messages: [...said, ...turn.messages] }, { gesture });
}

function leave() {
  for (const name of [TOKEN, KNOWN]) sessionStorage.removeItem(name);
  $("code-form").reset();
  $("come-back").open = false;
  showCodeProblem("");
}

/** Begin again as someone known. Until the code is taken, nothing changes. */
function comeBack() {
  const code = $("code").value.trim();
  showCodeProblem(code ? "" : "come_back.empty");
  if (!code) return $("code").focus();
  return whileBusy(async () => {
    $("trouble").replaceChildren();
    const answer = await call("POST", "session", { code });
    if (answer.status === 400 || answer.status === 404) {
      showCodeProblem("come_back.wrong");
      return $("code").focus();
    }
    if (answer.status !== 201) return explain(answer, comeBack);
    leave();
    sessionStorage.setItem(KNOWN, "yes");
    enter(answer.data, { notice: "come_back.known", gesture: true });
  });
}

function showCodeProblem(path) {
  const text = path && word(path);
  $("code-problem").hidden = !text;
  $("code-problem").textContent = text;
  if (!text) return $("code").removeAttribute("aria-invalid");
  $("code").setAttribute("aria-invalid", "true");
  announce([text]);
}

/** Go on where this tab was, or begin. */
async function resume() {
  if (!sessionStorage.getItem(TOKEN)) return begin();
  let ended = false;
  await whileBusy(async () => {
    const { status, data } = await call("GET", "resume");
    if (status === 200) return showTurn(data);
    if (status >= 400 && status < 500 && status !== 429) ended = true;
    else showTrouble("load", "errors.retry", resume);
  });
  if (ended) await begin(null, "session.expired");
}

async function forget() {
  if (!(await ask("forget"))) return;
  await whileBusy(async () => {
    const { status } = await call("POST", "forget");
    if (status !== 200 && status !== 401) return showTrouble("forget", "errors.retry", forget);
    leave();
    screen = null;
    unsent = null;
    handout = null;
    $("say-text").value = "";
    $("log").replaceChildren();
    document.body.dataset.screen = "none";
    renderScreen();
    const done = h("h2", { tabindex: "-1" }, word("forget.done"));
    $("step").replaceChildren(done, h("p", {}, h("button", { type: "button", class: "button primary", onclick: begin }, word("session.begin"))));
    done.focus();
  });
}

// ---------------------------------------------------------------- start

$("open-help").addEventListener("click", () => $("help").showModal());
$("open-forget").addEventListener("click", forget);
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  sayIt();
});
$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  comeBack();
});
$("say-text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sayIt();
});

const loaded = await call("GET", "words");
if (loaded.status === 200) {
  words = loaded.data;
  fillShell();
  await resume();
} else {
  const notice = document.querySelector("noscript").textContent;
  document.body.prepend(h("p", { class: "cannot-start", role: "alert" }, notice));
}
