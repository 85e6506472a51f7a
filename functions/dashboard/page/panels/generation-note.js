/** What a panel says about its aggregate's generations: the progress of a build, and whether the rows are exact. */

import { describeGenerations } from "../data/generations.js";
import { el, setAttribute, setTextWithCode } from "../elements/dom.js";

export class GenerationNote {
  constructor(name) {
    this.bar = el("progress", { max: "1", "aria-label": `Build of ${name}` });
    this.text = el("span");
    this.build = el("p", { class: "build", hidden: true }, this.text, this.bar);
    this.warning = el("p", { class: "inexact", role: "status", hidden: true });
  }

  /** Show what the API's list says about the aggregate. */
  show(description) {
    const { build, isUnderWay, progress, warning } = describeGenerations(description);
    this.build.hidden = build === null;
    setTextWithCode(this.text, build ?? "");
    this.bar.hidden = !isUnderWay;
    // without a value, the bar shows that the build is under way, but not its progress
    setAttribute(this.bar, "value", progress === null ? null : String(progress));
    this.warning.hidden = warning === null;
    setTextWithCode(this.warning, warning ?? "");
  }
}
