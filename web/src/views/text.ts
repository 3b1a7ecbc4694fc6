/** Plain text as paragraphs, lists and phone links. Nothing of it is ever taken for HTML. */

import { html, nothing, type TemplateResult } from "lit";
import { prose, tel, type Words } from "../words.ts";

export type View = TemplateResult | typeof nothing | string;

export const hidden = (text: string): TemplateResult => html`<span class="visually-hidden">${text}</span>`;

export const callLink = (text: string, number: string, style = "call"): TemplateResult => html`<a class=${style} href=${tel(number)}>${text}</a>`;

export const withCalls = (line: string, words: Words): View[] =>
  words.parts(line).map((part) => typeof part === "string" ? part : callLink(part.call, part.call, "inline-call"));

export function proseOf(text: string, words: Words, calls = true): View[] {
  const inline = (line: string): View | View[] => calls ? withCalls(line, words) : line;
  return prose(text).map((block) => "line" in block ? html`<p>${inline(block.line)}</p>`
    : html`<ul>${block.items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`);
}

export const callButtons = (text: string, words: Words): TemplateResult[] =>
  words.calls(text).map((number) => callLink(words.fill("emergency.call", { number }), number));

export const countryNumbers = (words: Words): TemplateResult[] => Object.entries(words.numbers).map(([code, { emergency, crisis }]) => html`
  <div>
    <dt>${words.get(`countries.${code}`)}</dt>
    <dd>${withCalls(words.fill("emergency.emergency_line", { number: emergency }), words)}</dd>
    <dd>${withCalls(words.fill("emergency.crisis_line", { number: crisis }), words)}</dd>
  </div>`);
