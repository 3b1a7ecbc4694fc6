/** A body to tap on. It mirrors the list beside it, which does all that it does; so it is hidden from screen readers. */

import { html, nothing, svg, type TemplateResult } from "lit";
import type { FigureView, Question } from "../turns.ts";
import type { Host } from "./host.ts";

// Half the room that one view takes, in units of the figure.
const HALF = 70.5;

export function bodyOf(question: Question, picked: string | undefined, side: string | undefined, host: Host, pick: (value: string, side?: string) => void): TemplateResult {
  const { words } = host;
  const { height, views } = host.conversation.figure!;
  const titles = question.sides?.titles ?? { left: words.get("fields.body_left"), right: words.get("fields.body_right") };
  const named = question.options?.find(({ value }) => value === picked)?.title;
  const tapped = (event: Event): void => {
    const { region, side } = (event.target as SVGElement).dataset;
    if (region && question.options?.some(({ value }) => value === region)) pick(region, side || undefined);
  };
  return html`
    <div class="body" aria-hidden="true">
      <p class="hint">${words.get("fields.body_hint")}</p>
      <div class="views">
        ${(["front", "back"] as const).map((name) => html`
          <figure>
            <figcaption>${words.get(`fields.body_${name}`)}</figcaption>
            ${drawn(name, views[name], height, picked, side, tapped)}
            <p class="sides"><span>${titles[name === "front" ? "right" : "left"]}</span><span>${titles[name === "front" ? "left" : "right"]}</span></p>
          </figure>`)}
      </div>
      <p class="picked">${named ? side ? words.fill("answers.sided", { what: named, side: titles[side] }) : named : nothing}</p>
    </div>`;
}

function drawn(name: string, view: FigureView, height: number, picked: string | undefined, side: string | undefined, tapped: (event: Event) => void): TemplateResult {
  const on = (region: string, of: string | null): boolean => region === picked && (!side || !of || of === side);
  return svg`
    <svg viewBox="${-HALF} 0 ${2 * HALF} ${height}" @click=${tapped}>
      <clipPath id="body-${name}"><path d=${view.outline}></path></clipPath>
      <path class="outline" d=${view.outline}></path>
      <g clip-path="url(#body-${name})">
        ${view.regions.map(({ region, side: of, d }) => svg`
          <path class="region ${on(region, of) ? "on" : ""}" data-region=${region} data-side=${of ?? ""} d=${d}></path>`)}
        ${view.details.map((d) => svg`<path class="detail" d=${d}></path>`)}
      </g>
      <path class="edge" d=${view.outline}></path>
    </svg>` as TemplateResult;
}
