/** From what a patient has filled in (a draft) to an answer, or to what is still wrong with it. No page, no network. */

import type { Activity, Answer, Question } from "./turns.ts";
import type { Words } from "./words.ts";

export interface Draft {
  /** choice, multi and nprs: what is ticked. */
  readonly picked?: readonly string[];
  /** number and text: what is typed. */
  readonly typed?: string;
  readonly rows?: readonly { readonly activity: string; readonly score: string }[];
  /** The side tapped on the picture, with a choice that has sides. */
  readonly side?: string;
}

export interface Reading {
  readonly value?: Answer;
  /** A key of words.problems, for a draft that is no answer. */
  readonly problem?: string;
  /** True: something is filled in that cannot be meant, so it is not passed over with "Skip" either. */
  readonly wrong?: boolean;
  /** The name of the control to mend, where there are several. */
  readonly at?: string;
}

export const ACTIVITIES = 3;
const NONE = "none";

const isGiven = (value: unknown): boolean => value !== null && value !== undefined && value !== "unknown" && value !== "skipped";

/** Any other question is passed over with "Skip" or "I don't know", so that nobody skips a safety question unawares. */
export const mayBeEmpty = (question: Question): boolean => Boolean(question.optional) && question.kind === "text";

/** What stands in a question's controls before the patient touches them. */
export function draftOf(question: Question): Draft {
  const current = isGiven(question.current) ? question.current : undefined;
  switch (question.kind) {
    case "choice":
    case "nprs":
      return { picked: current === undefined ? [] : [String(current)] };
    case "multi":
      return { picked: (current as readonly string[] | undefined) ?? [] };
    case "number":
      return current === question.none?.value && current !== undefined ? { picked: [String(current)], typed: "" } : { picked: [], typed: String(current ?? "") };
    case "text":
      return { typed: String(current ?? "") };
    case "activities": {
      const given = Array.isArray(current) ? current as readonly Activity[] : [];
      return { rows: Array.from({ length: ACTIVITIES }, (_, index) => ({
        activity: given[index]?.activity ?? "",
        score: typeof given[index]?.score === "number" ? String(given[index].score) : "",
      })) };
    }
  }
}

export const isFilled = (question: Question, draft: Draft): boolean => {
  const { value, wrong } = read(question, draft);
  return value !== undefined || Boolean(wrong);
};

export function read(question: Question, draft: Draft): Reading {
  const picked = draft.picked ?? [];
  const typed = draft.typed?.trim() ?? "";
  switch (question.kind) {
    case "choice":
      return picked[0] === undefined ? { problem: "choice" } : { value: picked[0] };
    case "nprs":
      return picked[0] === undefined ? { problem: "nprs" } : { value: Number(picked[0]) };
    case "multi":
      return picked.length ? { value: picked } : { problem: "multi" };
    case "number":
      return question.none && picked.includes(question.none.value) ? { value: question.none.value } : readNumber(question, typed);
    case "text":
      return typed ? { value: typed } : { problem: "text" };
    case "activities":
      return readActivities(draft);
  }
}

/** "8" and "8 weeks" are fine where weeks are asked; "2 months" is not 2, and "1,000" is not 1. */
function readNumber({ min, max, unit }: Question, typed: string): Reading {
  const bounded = isGiven(min) && isGiven(max);
  const problem = bounded ? "number_range" : "number";
  if (!typed) return { problem };
  const [, digits, more = ""] = typed.match(/^(\d+(?:[.,]\d\d?)?)\s*(.*)$/) ?? [];
  const number = Number(digits?.replace(",", "."));
  const fits = Number.isFinite(number) && !(isGiven(min) && number < min!) && !(isGiven(max) && number > max!)
    && (!more || Boolean(unit?.startsWith(more)));
  return fits ? { value: number } : { problem, wrong: true };
}

function readActivities({ rows = [] }: Draft): Reading {
  const named = rows.map(({ activity, score }) => ({ activity: activity.trim(), score }));
  const half = named.findIndex(({ activity, score }) => Boolean(activity) !== (score !== ""));
  const row = named[half];
  if (row) {
    const part = row.activity ? "score" : "name";
    return { problem: `activity_${part}`, wrong: true, at: `${part}-${half + 1}` };
  }
  const value = named.filter(({ activity }) => activity).map(({ activity, score }) => ({ activity, score: Number(score) }));
  return value.length ? { value } : { problem: "activities" };
}

/** What is ticked after a press on one box; "none" stands alone. */
export function toggled(picked: readonly string[], value: string, on: boolean): string[] {
  const others = picked.filter((one) => one !== value && (!on || (value !== NONE && one !== NONE)));
  return on ? [...others, value] : others;
}

/** Whether a question has sides for what is picked. */
export const sided = ({ sides }: Question, value: string | undefined): boolean => value !== undefined && Boolean(sides?.values.includes(value));

/** The answer as the patient reads it in the conversation. */
export function shown(question: Question, value: Answer, words: Words, side?: string): string {
  const title = (one: string): string => question.options?.find((option) => option.value === one)?.title ?? one;
  const separator = words.get("answers.list");
  if (question.kind === "activities") return (value as readonly Activity[]).map((row) => words.fill("answers.activity", row)).join(separator);
  if (Array.isArray(value)) return (value as readonly string[]).map(title).join(separator);
  if (question.kind === "number") return value === question.none?.value ? question.none.title : [value, question.unit].filter(isGiven).join(" ");
  const named = question.options ? title(String(value)) : String(value);
  return side ? words.fill("answers.sided", { what: named, side: question.sides?.titles[side] }) : named;
}
