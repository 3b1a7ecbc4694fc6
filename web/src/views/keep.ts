/** The plan to keep: its pictures, its pages, the page for the therapist, and the code to come back. */

import { html, nothing, type TemplateResult } from "lit";
import type { Handout } from "../turns.ts";
import type { Host } from "./host.ts";
import { hidden } from "./text.ts";

export function keepView(host: Host): TemplateResult {
  const { words, conversation } = host;
  const { handout } = conversation;
  return html`
    ${picturesView(host)}
    <section id="keep" aria-labelledby="keep-heading">
      <h3 id="keep-heading" tabindex="-1" class="takes-focus">${words.get("keep.heading")}</h3>
      ${handout ? html`${linksView(handout, host)}${codeView(handout, host)}` : html`<p>${words.get("keep.intro")}</p>`}
      <p class="main-action">
        ${handout ? nothing : html`<button type="button" class="button primary" @click=${() => conversation.keep()}>${words.get("keep.open")}</button>`}
        ${host.isPage ? html`<button type="button" class="button" @click=${() => host.printPlan()}>${words.get("plan.print")}</button>` : nothing}
      </p>
    </section>`;
}

/** As images, so that nothing in them can act; the address holds the whole picture. */
function picturesView({ words, conversation: { pictures } }: Host): TemplateResult | typeof nothing {
  if (!pictures.length) return nothing;
  return html`
    <section id="pictures" aria-labelledby="pictures-heading">
      <h3 id="pictures-heading">${words.get("plan.pictures")}</h3>
      ${pictures.map(({ title, says, alt, svg }) => html`
        <figure>
          <figcaption>${title}</figcaption>
          <img src="data:image/svg+xml,${encodeURIComponent(svg)}" alt=${alt} width="340">
          ${says ? html`<p>${says}</p>` : nothing}
        </figure>`)}
    </section>`;
}

function linksView(handout: Handout, { words, conversation }: Host): TemplateResult {
  // Where help comes first, there is nothing to put in a calendar.
  const names = (["plan", "plan_pdf", "calendar", "summary"] as const).filter((name) => handout[name]);
  const opensTab = (name: string): boolean => name === "plan" || name === "summary";
  return html`
    <ul class="kept">
      ${names.map((name) => html`
        <li>
          <a class="button" id="kept-${name}" href=${conversation.address(handout[name]!)} target=${opensTab(name) ? "_blank" : nothing}
            rel="noopener" ?download=${name === "plan_pdf"} aria-describedby="kept-${name}-about">
            ${words.get(`keep.${name}`)}${opensTab(name) ? hidden(` (${words.get("keep.new_tab")})`) : nothing}</a>
          <p class="hint" id="kept-${name}-about">${words.get(`keep.about.${name}`)}</p>
        </li>`)}
    </ul>
    <p class="hint">${words.fill("keep.until", { date: words.date(handout.until) })}</p>`;
}

const codeView = ({ code, code_until }: Handout, host: Host): TemplateResult => html`
  <div class="kept-code">
    <h4>${host.words.get("keep.code")}</h4>
    <p class="code" translate="no">${code}</p>
    <p>${host.words.fill("keep.private", { date: host.words.date(code_until) })}</p>
    <p><button type="button" class="button small" @click=${() => host.copyCode()}>${host.words.get("keep.copy")}</button></p>
    <p role="status">${host.copied ? host.words.get(host.copied) : nothing}</p>
  </div>`;
