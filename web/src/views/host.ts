/** What a view needs of the component that shows it. */

import type { Conversation } from "../conversation.ts";
import type { Words } from "../words.ts";

export interface Host {
  readonly conversation: Conversation;
  readonly words: Words;
  /** As a page of its own, and not as a bubble on a clinic's page. */
  readonly isPage: boolean;
  readonly copied: "" | "keep.copied" | "keep.selected";
  restart(): void;
  forget(): void;
  copyCode(): void;
  printPlan(): void;
}
