/** What stands around the step on every screen: the bar, the conversation, own words, trouble, the foot. */

import { html, nothing, type TemplateResult } from "lit";
import { logView, messageView } from "./log.ts";
import type { Host } from "./host.ts";
import { commandButton, stepView } from "./step.ts";
import { hidden } from "./text.ts";

const SESSION_TOOLS = ["stop", "restart"];

export interface Shell extends Host {
  readonly offline: boolean;
  skipToStep(): void;
  openHelp(): void;
  quickExit(): void;
  close(): void;
}

export function shellView(shell: Shell): TemplateResult {
  const { conversation, words, isPage } = shell;
  const screen = conversation.screen?.kind ?? "none";
  return html`
    <div id="app" class=${isPage ? "page" : "bubble"} lang=${words.get("language") || nothing} data-screen=${screen} aria-busy=${conversation.busy ? "true" : "false"}>
      ${barView(shell)}
      <div class="main" role=${isPage ? "main" : nothing}>
        <div class="intro">
          ${isPage ? html`<h1 id="heading">${words.get("heading")}</h1>` : nothing}
          <p>${words.get("purpose")}</p>
        </div>
        <section id="conversation" aria-labelledby="conversation-heading">
          <h2 id="conversation-heading" class="visually-hidden">${words.get("conversation")}</h2>
          <ol id="log">${logView(conversation.log, words)}</ol>
        </section>
        <section id="step" tabindex="-1" data-id=${conversation.screen?.id ?? ""} aria-label=${words.get("current_step")}>
          ${conversation.forgotten ? forgottenView(shell) : conversation.screen ? stepView(conversation.screen, shell) : nothing}
        </section>
        ${conversation.atStart ? comeBackView(shell) : nothing}
        <div id="trouble" role="alert">${troubleView(shell)}</div>
        <p id="network" role="status">${shell.offline ? words.get("errors.offline_now") : nothing}</p>
        ${conversation.running ? sayView(shell) : nothing}
      </div>
      ${footView(shell)}
      ${conversation.slow ? html`<p id="typing" aria-hidden="true"><span>${words.get("typing")}</span><i></i><i></i><i></i></p>` : nothing}
    </div>`;
}

function barView(shell: Shell): TemplateResult {
  const { words, isPage } = shell;
  const inside = html`
    <div class="bar-inside">
      <button type="button" class="skip-link" @click=${() => shell.skipToStep()}>${words.get("skip_link")}</button>
      ${isPage ? html`<p class="clinic">${words.here.clinic}</p>` : html`<h2 class="clinic" id="heading">${words.get("heading")}${hidden(`, ${words.here.clinic}`)}</h2>`}
      <button type="button" id="quick-exit" class="button quiet" @click=${() => shell.quickExit()}>${words.get("exit.open")}</button>
      <button type="button" id="open-help" class="button help" @click=${() => shell.openHelp()}>${words.get("emergency.open")}</button>
      ${isPage ? nothing : html`<button type="button" id="close" class="button quiet" aria-label=${words.get("launcher.close")} @click=${() => shell.close()}>${cross}</button>`}
    </div>`;
  return isPage ? html`<header class="bar">${inside}</header>` : html`<div class="bar">${inside}</div>`;
}

const cross = html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M2 2l12 12M14 2L2 14" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"></path></svg>`;

const forgottenView = ({ words, conversation }: Shell): TemplateResult => html`
  <h2 tabindex="-1" class="takes-focus">${words.get("forget.done")}</h2>
  <p><button type="button" class="button primary" @click=${() => conversation.begin()}>${words.get("session.begin")}</button></p>`;

function comeBackView({ words, conversation }: Shell): TemplateResult {
  const submit = (event: Event): void => {
    event.preventDefault();
    void conversation.comeBack();
  };
  return html`
    <details id="come-back">
      <summary>${words.get("come_back.open")}</summary>
      <form id="code-form" novalidate @submit=${submit}>
        <label for="code">${words.get("come_back.label")}</label>
        <p id="code-hint" class="hint">${words.get("come_back.hint")}</p>
        <p id="code-problem" class="problem" ?hidden=${!conversation.codeProblem}>${conversation.codeProblem ? words.get(conversation.codeProblem) : nothing}</p>
        <div class="say-row">
          <input type="text" id="code" maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false"
            aria-describedby="code-hint code-problem" aria-invalid=${conversation.codeProblem ? "true" : nothing}
            .value=${conversation.code} @input=${(event: Event) => conversation.typeCode((event.target as HTMLInputElement).value)}>
          <button class="button">${words.get("come_back.send")}</button>
        </div>
      </form>
    </details>`;
}

function troubleView({ words, conversation: { trouble } }: Shell): TemplateResult | typeof nothing {
  if (!trouble) return nothing;
  return html`
    ${trouble.urgent.length ? html`
      <ul class="plain">${trouble.urgent.map((message, at) => messageView(message, words, "", at ? "" : words.get("emergency.card_heading"), "trouble-heading"))}</ul>` : nothing}
    <p>${words.get(`errors.${trouble.name}`)}</p>
    <p>${words.get("errors.unwell")}</p>
    ${trouble.button ? html`<p><button type="button" class="button primary" @click=${() => trouble.action()}>${words.get(trouble.button)}</button></p>` : nothing}`;
}

function sayView({ words, conversation }: Shell): TemplateResult {
  const send = (event: Event): void => {
    event.preventDefault();
    void conversation.say();
  };
  const keydown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`
    <form id="say" novalidate @submit=${send}>
      <label for="say-text">${words.get("text_form.label")}</label>
      <p id="say-hint" class="hint">${words.get("text_form.hint")}</p>
      <p id="say-problem" class="problem" ?hidden=${!conversation.textProblem}>${words.get("text_form.empty")}</p>
      <div class="say-row">
        <textarea id="say-text" rows="1" maxlength="2000" autocomplete="off" aria-describedby="say-hint say-problem"
          aria-invalid=${conversation.textProblem ? "true" : nothing} .value=${conversation.text} @keydown=${keydown}
          @input=${(event: Event) => conversation.type((event.target as HTMLTextAreaElement).value)}></textarea>
        <button class="button">${words.get("text_form.send")}</button>
      </div>
    </form>`;
}

function footView(shell: Shell): TemplateResult {
  const { words, conversation, isPage } = shell;
  const inside = html`
    <p>${words.get("footer.scope")}</p>
    <p>${words.get("footer.privacy")}</p>
    <div id="session-tools" class="toolbar">
      ${SESSION_TOOLS.filter((name) => conversation.can(name)).map((name) => commandButton(name, "button quiet", shell))}
      ${conversation.running ? html`<button type="button" id="open-forget" class="button quiet" @click=${() => shell.forget()}>${words.get("forget.open")}</button>` : nothing}
    </div>`;
  return isPage ? html`<footer class="foot">${inside}</footer>` : html`<div class="foot">${inside}</div>`;
}
