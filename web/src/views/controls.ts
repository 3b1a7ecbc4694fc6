/** The controls of a question: native ones, one kind for each kind of answer. */

import { html, nothing, type TemplateResult } from "lit";
import { ACTIVITIES, mayBeEmpty, sided, toggled, type Draft } from "../answers.ts";
import type { Option, Question } from "../turns.ts";
import { bodyOf } from "./body.ts";
import type { Host } from "./host.ts";
import { hidden, type View } from "./text.ts";

// A question of more characters is set as running text.
const LONG = 140;
// From so many options on they stand in two columns where there is room.
const MANY = 6;

export const controlId = (question: string, part: string): string => `${question}-${part}`;

export function questionView(question: Question, host: Host): TemplateResult {
  const { conversation, words } = host;
  const reading = conversation.problems[question.id];
  const draft = conversation.drafts[question.id] ?? {};
  const ids = { legend: controlId(question.id, "legend"), help: controlId(question.id, "help"), problem: controlId(question.id, "problem") };
  const single = question.kind === "choice" || question.kind === "nprs";
  return html`
    <fieldset class="question ${question.kind} ${reading ? "has-problem" : ""}" data-question=${question.id}
        role=${single ? "radiogroup" : nothing} aria-describedby="${question.help ? ids.help : ""} ${ids.problem}">
      <legend id=${ids.legend} class=${question.text.length > LONG ? "long" : ""}>${question.text}</legend>
      ${question.help ? html`<p class="hint" id=${ids.help}>${question.help}</p>` : nothing}
      ${mayBeEmpty(question) ? html`<p class="hint">${words.get("optional")}</p>` : nothing}
      <p class="problem" id=${ids.problem} ?hidden=${!reading}>${reading ? problemOf(question, reading.problem ?? "", host) : nothing}</p>
      ${KINDS[question.kind](question, draft, host)}
    </fieldset>`;
}

function problemOf(question: Question, problem: string, { words, conversation }: Host): string {
  const passes = ["skip", "dont_know"].filter((name) => conversation.can(name)).map((name) => `“${words.get(`commands.${name}`)}”`);
  const said = words.fill(`problems.${problem}`, question);
  return passes.length ? `${said} ${words.fill("problems.or_command", { commands: passes.join(words.get("answers.list")) })}` : said;
}

const invalid = (question: Question, host: Host, at?: string): "true" | typeof nothing => {
  const reading = host.conversation.problems[question.id];
  return reading && (!at || !reading.at || reading.at === at) ? "true" : nothing;
};

function optionView(question: Question, option: Option, type: "radio" | "checkbox", picked: readonly string[], change: (on: boolean) => void): TemplateResult {
  return html`
    <label class="option">
      <input type=${type} name=${question.id} value=${option.value} .checked=${picked.includes(option.value)}
        @change=${(event: Event) => change((event.target as HTMLInputElement).checked)}>
      <span>${option.title}</span>
    </label>`;
}

function choice(question: Question, { picked = [], side }: Draft, host: Host): TemplateResult {
  const pick = (value: string, side?: string): void => host.conversation.draft(question.id, { picked: [value], side: side! });
  const options = question.options ?? [];
  const list = html`
    <div class="options ${options.length > MANY ? "many" : ""}">
      ${options.map((option) => optionView(question, option, "radio", picked, () => pick(option.value)))}
    </div>`;
  if (question.picture !== "body" || !host.conversation.figure) return list;
  const shownSide = sided(question, picked[0]) ? side : undefined;
  return html`<div class="with-picture">${bodyOf(question, picked[0], shownSide, host, pick)}${list}</div>`;
}

function multi(question: Question, { picked = [] }: Draft, { words, conversation }: Host): TemplateResult {
  return html`
    <p class="hint">${words.get("fields.multi_hint")}</p>
    <div class="options">
      ${(question.options ?? []).map((option) => optionView(question, option, "checkbox", picked,
        (on) => conversation.draft(question.id, { picked: toggled(picked, option.value, on) })))}
    </div>`;
}

function nprs(question: Question, { picked = [] }: Draft, { words, conversation }: Host): TemplateResult {
  const { anchors } = question;
  const [min, max] = [question.min ?? 0, question.max ?? 10];
  const anchor = (number: number): View => number === min && anchors ? hidden(`, ${anchors.low}`) : number === max && anchors ? hidden(`, ${anchors.high}`) : nothing;
  return html`
    <div class="scale">
      ${Array.from({ length: max - min + 1 }, (_, index) => min + index).map((number) => html`
        <label>
          <input type="radio" name=${question.id} value=${number} .checked=${picked[0] === String(number)}
            @change=${() => conversation.draft(question.id, { picked: [String(number)] })}>
          <span>${number}${anchor(number)}</span>
        </label>`)}
    </div>
    ${anchors ? html`
      <div class="anchors" aria-hidden="true">
        <span>${words.fill("fields.anchor", { number: min, anchor: anchors.low })}</span>
        <span>${words.fill("fields.anchor", { number: max, anchor: anchors.high })}</span>
      </div>` : nothing}`;
}

/** A number; `none` beside it ("No operation") is an answer without a number. */
function numberField(question: Question, { picked = [], typed = "" }: Draft, host: Host): TemplateResult {
  const { none, unit } = question;
  const ids = [controlId(question.id, "legend"), ...(unit ? [controlId(question.id, "unit")] : [])];
  return html`
    <div class="with-unit">
      <input type="text" inputmode="decimal" autocomplete="off" class="number" id=${controlId(question.id, "input")}
        .value=${typed} aria-labelledby=${ids.join(" ")} aria-describedby=${controlId(question.id, "problem")}
        aria-invalid=${invalid(question, host)}
        @input=${(event: Event) => host.conversation.draft(question.id, { typed: (event.target as HTMLInputElement).value, picked: [] })}>
      ${unit ? html`<span id=${controlId(question.id, "unit")}>${unit}</span>` : nothing}
    </div>
    ${none ? optionView(question, none, "checkbox", picked, (on) => host.conversation.draft(question.id, on ? { picked: [none.value], typed: "" } : { picked: [] })) : nothing}`;
}

function textField(question: Question, { typed = "" }: Draft, host: Host): TemplateResult {
  return html`
    <textarea rows="3" maxlength="2000" id=${controlId(question.id, "input")} .value=${typed}
      aria-labelledby=${controlId(question.id, "legend")} aria-describedby=${controlId(question.id, "problem")} aria-invalid=${invalid(question, host)}
      @input=${(event: Event) => host.conversation.draft(question.id, { typed: (event.target as HTMLTextAreaElement).value })}></textarea>`;
}

function activities(question: Question, { rows = [] }: Draft, host: Host): View[] {
  const { words, conversation } = host;
  const { low, high } = question.anchors ?? {};
  const change = (index: number, part: object): void =>
    conversation.draft(question.id, { rows: rows.map((row, at) => at === index ? { ...row, ...part } : row) });
  return Array.from({ length: ACTIVITIES }, (_, index) => {
    const number = index + 1;
    const row = rows[index] ?? { activity: "", score: "" };
    const ids = { name: controlId(question.id, `name-${number}`), score: controlId(question.id, `score-${number}`) };
    const label = words.fill("fields.activity", { number });
    const title = (score: number): string => {
      const anchor = score === 0 ? low : score === 10 ? high : undefined;
      return anchor ? words.fill("fields.anchor", { number: score, anchor }) : String(score);
    };
    return html`
      <div class="activity">
        <div>
          <label for=${ids.name}>${label}</label>
          <input type="text" id=${ids.name} maxlength="200" autocomplete="off" .value=${row.activity}
            aria-describedby=${controlId(question.id, "problem")} aria-invalid=${invalid(question, host, `name-${number}`)}
            @input=${(event: Event) => change(index, { activity: (event.target as HTMLInputElement).value })}>
        </div>
        <div>
          <label for=${ids.score}>${hidden(`${label}: `)}${words.get("fields.score")}</label>
          <select id=${ids.score} aria-describedby=${controlId(question.id, "problem")} aria-invalid=${invalid(question, host, `score-${number}`)}
            @change=${(event: Event) => change(index, { score: (event.target as HTMLSelectElement).value })}>
            <option value="" .selected=${row.score === ""}>${words.get("fields.score_choose")}</option>
            ${Array.from({ length: 11 }, (_, score) => html`
              <option value=${score} .selected=${row.score === String(score)}>${title(score)}</option>`)}
          </select>
        </div>
      </div>`;
  });
}

const KINDS: Record<Question["kind"], (question: Question, draft: Draft, host: Host) => TemplateResult | View[]> = {
  choice, multi, nprs, number: numberField, text: textField, activities,
};
