/** The two dialogs: help that is there at every moment, and "are you sure". */

import { html, nothing, type TemplateResult } from "lit";
import type { Words } from "../words.ts";
import { callButtons, callLink, countryNumbers } from "./text.ts";

export const helpView = (words: Words): TemplateResult => html`
  <dialog id="help" aria-labelledby="help-heading">
    <h2 id="help-heading">${words.get("emergency.heading")}</h2>
    <p class="lead">${words.get("emergency.lead")}</p>
    <p id="help-calls" class="calls">
      ${callButtons(`${words.here.emergency}, ${words.here.crisis}`, words)}
      ${callLink(words.fill("emergency.call_clinic", words.here), words.here.phone)}
    </p>
    <h3>${words.get("emergency.signs_heading")}</h3>
    <ul id="help-signs">${words.list("emergency.signs").map((sign) => html`<li>${sign}</li>`)}</ul>
    <p>${words.get("emergency.not_watched")}</p>
    <h3>${words.get("emergency.other_heading")}</h3>
    <dl id="help-numbers" class="numbers">${countryNumbers(words)}</dl>
    <form method="dialog" class="close"><button class="button primary">${words.get("emergency.close")}</button></form>
  </dialog>`;

export type Asked = "restart" | "forget";

export const confirmView = (asked: Asked | null, words: Words, answered: (yes: boolean) => void): TemplateResult => html`
  <dialog id="confirm" aria-labelledby="confirm-heading" aria-describedby="confirm-text"
      @close=${(event: Event) => answered((event.target as HTMLDialogElement).returnValue === "yes")}>
    ${asked ? html`
      <h2 id="confirm-heading">${words.get(`${asked}.heading`)}</h2>
      <p id="confirm-text">${words.get(`${asked}.text`)}</p>
      <form method="dialog" class="actions">
        <button id="confirm-no" class="button" value="no">${words.get(`${asked}.cancel`)}</button>
        <button id="confirm-yes" class="button danger" value="yes">${words.get(`${asked}.confirm`)}</button>
      </form>` : nothing}
  </dialog>`;
