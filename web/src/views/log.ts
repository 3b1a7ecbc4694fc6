/** The conversation so far: what the patient sent, and what came back. */

import { html, nothing, type TemplateResult } from "lit";
import type { Entry, Said } from "../memory.ts";
import type { Message } from "../turns.ts";
import type { Words } from "../words.ts";
import { callButtons, countryNumbers, hidden, proseOf, type View } from "./text.ts";

export function logView(log: readonly Entry[], words: Words): TemplateResult[] {
  const plan = log.findLastIndex(({ messages }) => messages.some(({ kind }) => kind === "plan"));
  return log.flatMap(({ said, messages, heading }, index) => {
    const marks = `${index === log.length - 1 ? "latest" : ""} ${index === plan ? "printed" : ""}`;
    const shown = messages.map((message, at) => messageView(message, words, marks, at === 0 ? heading || words.get("emergency.card_heading") : ""));
    return said.length ? [saidView(said, words, marks), ...shown] : shown;
  });
}

const saidView = (said: readonly Said[], words: Words, marks: string): TemplateResult => html`
  <li class="entry patient ${marks}">
    ${hidden(`${words.get("you")}: `)}
    ${said.map(({ label, answer }) => html`<p>${label ? html`<span class="asked">${label}</span> ` : nothing}${answer}</p>`)}
  </li>`;

/** One message; `heading` belongs to an emergency that comes first. */
export function messageView(message: Message, words: Words, marks = "", heading = "", headingId = ""): TemplateResult {
  const style = message.kind === "question" ? "say" : message.kind;
  return html`<li class="entry ${style} ${marks}" data-response=${message.id}>${contentOf(message, words, heading, headingId)}</li>`;
}

function contentOf(message: Message, words: Words, heading: string, headingId: string): View | View[] {
  switch (message.kind) {
    case "emergency": {
      const calls = callButtons(message.text, words);
      return html`
        ${heading ? html`<h2 tabindex="-1" class="takes-focus" id=${headingId || nothing}>${heading}</h2>` : nothing}
        ${proseOf(message.text, words, false)}
        ${calls.length ? html`<p class="calls">${calls}</p>` : heading ? html`<dl class="numbers">${countryNumbers(words)}</dl>` : nothing}`;
    }
    case "urgent":
      return html`<p class="tag">${words.get("urgent.label")}</p>${proseOf(message.text, words)}`;
    case "plan":
      return planView(message, words);
    default:
      return html`${hidden(`${words.get("assistant")}: `)}${proseOf(message.text, words)}`;
  }
}

/** The recommendations as numbered cards; the other parts of the plan (for hard days, what can wait) as plain cards. */
function planView({ text, items }: Message, words: Words): TemplateResult {
  if (!items) return html`<div class="plan-part">${planPart(text, words)}</div>`;
  // What the text says after the last card ("Also worth a talk") has no card of its own.
  const because = items.at(-1)?.because;
  const rest = because && text.includes(because) ? text.slice(text.lastIndexOf(because) + because.length).trim() : "";
  return html`
    <h2 tabindex="-1" class="takes-focus">${words.get("plan.heading")}</h2>
    <p class="print-only">${words.fill("plan.printed", { date: words.date(new Date()) })}</p>
    <ol class="plan-items">
      ${items.map((item) => html`
        <li>
          <h3>${item.title}</h3>
          ${proseOf(item.text, words)}
          ${item.because ? html`<p class="because">${words.fill("plan.because", item)}</p>` : nothing}
        </li>`)}
    </ol>
    ${rest ? html`<div class="plan-part">${proseOf(rest, words)}</div>` : nothing}`;
}

/** A first line that ends with a colon is the heading of the lines after it. */
function planPart(text: string, words: Words): View | View[] {
  const [first = "", ...rest] = text.split("\n");
  if (!rest.length || !first.endsWith(":")) return proseOf(text, words);
  return html`<h3>${first.slice(0, -1)}</h3>${proseOf(rest.join("\n"), words)}`;
}

/** What is announced of a message. */
export const spoken = ({ text, items }: Message): string => items ? items.map(({ title }) => title).join("\n") : text;
