/** The step that is open to the patient: questions, the review, the plan, or the way on. */

import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import type { Row, Screen } from "../turns.ts";
import { questionView } from "./controls.ts";
import type { Host } from "./host.ts";
import { keepView } from "./keep.ts";
import type { View } from "./text.ts";

// Each has its own place, and leaves it empty where it is not open: nobody has to look for "Back".
const TOOLS = ["back", "skip", "dont_know", "why", "human"];
const EMERGENCY_TOOLS = ["mistake", "checked", "human"];
const MAIN = ["confirm", "resume", "share"];

export function stepView(screen: Screen, host: Host): TemplateResult {
  const { words } = host;
  const { section, kind, title, questions } = screen;
  const named = title === section?.title || (questions.length === 1 && title === questions[0]?.text);
  const submit = (event: Event): void => {
    event.preventDefault();
    void host.conversation.submit();
  };
  return html`
    ${section ? progressView(section, host) : nothing}
    ${kind === "emergency" ? nothing : html`
      <h2 tabindex="-1" class="takes-focus ${named ? "visually-hidden" : ""}">${title || words.get("current_step")}</h2>`}
    ${kind === "review" ? reviewView(screen, host) : nothing}
    <form novalidate @submit=${submit}>
      ${questions.map((question) => keyed(`${screen.id} ${question.id}`, questionView(question, host)))}
      ${mainButton(screen, host)}
    </form>
    ${kind === "plan" ? html`
      ${keepView(host)}
      <details><summary>${words.get("review.heading")}</summary>${reviewView(screen, host)}</details>` : nothing}
    ${toolbar(screen, host)}`;
}

function progressView(section: NonNullable<Screen["section"]>, { words }: Host): TemplateResult {
  const left = section.left === undefined ? "" : section.left ? words.count("progress_left", section.left) : words.get("progress_last");
  return html`
    <div class="progress">
      <p id="progress-text"><span>${words.fill("progress", section)}</span>${left ? html`<span class="left">${left}</span>` : nothing}</p>
      <progress value=${section.number} max=${section.of} aria-labelledby="progress-text"></progress>
    </div>`;
}

function mainButton({ questions, commands }: Screen, host: Host): View {
  const main = questions.length ? [html`<button class="button primary">${host.words.get("commands.continue")}</button>`]
    : MAIN.filter((name) => commands.includes(name)).map((name) => commandButton(name, "button primary", host));
  return main.length ? html`<p class="main-action">${main}</p>` : nothing;
}

function toolbar({ kind, commands }: Screen, host: Host): TemplateResult {
  if (kind === "emergency") {
    const tools = EMERGENCY_TOOLS.filter((name) => commands.includes(name));
    return html`<div class="toolbar">${tools.map((name) => commandButton(name, "button", host))}</div>`;
  }
  const tools = kind === "questions" ? TOOLS : TOOLS.filter((name) => commands.includes(name));
  return html`
    <div class="toolbar ${kind === "questions" ? "places" : ""}">
      ${tools.map((name) => commands.includes(name) ? commandButton(name, "button quiet", host) : html`<span class="button quiet gone">${host.words.get(`commands.${name}`)}</span>`)}
    </div>`;
}

export function commandButton(name: string, style: string, host: Host): TemplateResult {
  const press = (): unknown => name === "restart" ? host.restart() : host.conversation.command(name);
  return html`<button type="button" class=${style} data-command=${name} @click=${press}>${host.words.get(`commands.${name}`)}</button>`;
}

function reviewView({ rows = [], commands }: Screen, host: Host): TemplateResult {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const section = row.section || host.words.get("review.rest");
    groups.set(section, [...groups.get(section) ?? [], row]);
  }
  return html`
    <div class="review">
      ${[...groups].map(([section, rows]) => html`
        <h3>${section}</h3>
        <dl>
          ${rows.map((row) => html`
            <div>
              <dt>${row.label}</dt>
              <dd class="answer">${row.answer || host.words.get("answers.none_given")}</dd>
              ${commands.includes("change") ? changeButton(row, host) : nothing}
            </div>`)}
        </dl>`)}
    </div>`;
}

const changeButton = (row: Row, { words, conversation }: Host): TemplateResult => html`
  <dd>
    <button type="button" class="button small" data-change=${row.question} aria-label=${words.fill("commands.change_what", row)}
      @click=${() => conversation.command("change", row)}>${words.get("commands.change")}</button>
  </dd>`;
