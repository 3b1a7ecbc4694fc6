/** What the gateway sends: a turn with its messages and the screen that follows (plateau/channels/_envelope.py). */

export interface Option {
  readonly value: string;
  readonly title: string;
}

export interface Activity {
  readonly activity: string;
  readonly score: number | null;
}

export type Answer = string | number | readonly string[] | readonly Activity[];

export interface Question {
  readonly id: string;
  readonly kind: "choice" | "multi" | "nprs" | "number" | "text" | "activities";
  readonly text: string;
  readonly help?: string;
  readonly optional?: boolean;
  readonly current?: Answer | null;
  readonly options?: readonly Option[];
  readonly min?: number | null;
  readonly max?: number | null;
  readonly unit?: string | null;
  /** An answer beside the number that stands for "not at all", such as "No operation". */
  readonly none?: Option;
  readonly anchors?: { readonly low: string; readonly high: string };
  readonly picture?: "body";
  /** Of a question with a picture: the question that a tap on one side answers as well, and for which values. */
  readonly sides?: { readonly question: string; readonly values: readonly string[]; readonly titles: Readonly<Record<string, string>> };
}

export interface Row {
  readonly question: string;
  readonly label: string;
  readonly answer: string;
  readonly section?: string;
}

export interface Section {
  readonly title: string;
  readonly number: number;
  readonly of: number;
  readonly left?: number;
}

export interface Screen {
  readonly id: string;
  readonly title: string;
  readonly kind: "questions" | "review" | "plan" | "emergency" | "end";
  readonly section: Section | null;
  readonly questions: readonly Question[];
  readonly commands: readonly string[];
  readonly rows?: readonly Row[];
}

export interface PlanItem {
  readonly title: string;
  readonly text: string;
  readonly because?: string;
}

export interface Message {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
  readonly items?: readonly PlanItem[];
}

export interface Turn {
  readonly id?: string;
  readonly number?: number;
  readonly messages: readonly Message[];
  readonly screen: Screen | null;
}

export interface Handout {
  readonly plan: string;
  readonly plan_pdf: string;
  readonly calendar: string | null;
  readonly summary: string;
  readonly until: string;
  readonly code: string;
  readonly code_until: string;
}

export interface Picture {
  readonly id: string;
  readonly title: string;
  readonly says?: string | null;
  readonly alt: string;
  readonly svg: string;
}

export interface FigureView {
  readonly outline: string;
  readonly details: readonly string[];
  readonly regions: readonly { readonly region: string; readonly side: "left" | "right" | null; readonly d: string }[];
}

export interface Figure {
  readonly height: number;
  readonly views: Readonly<Record<"front" | "back", FigureView>>;
}

/** The messages to show, an emergency first; the screen itself asks its questions. An emergency screen always has one. */
export function inOrder({ messages, screen }: Turn, lead: string): Message[] {
  const urgent = messages.filter(({ kind }) => kind === "emergency");
  const rest = messages.filter(({ kind }) => kind !== "emergency" && !(kind === "question" && screen?.questions.length));
  if (screen?.kind === "emergency" && !urgent.length) urgent.push({ id: screen.id, kind: "emergency", text: lead });
  return [...urgent, ...rest];
}
