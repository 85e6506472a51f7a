/** When to ask again: what can be seen, while somebody looks, and later where asking fails. */

const LOOKED_EVERY_MS = 250;
const HEALTH_EVERY_MS = 2000;
const MOST_BACK_OFF_MS = 30_000;

/** Asks for panels that are visible and for the health of the stages, until it is paused. */
export class Refresh {
  #health = { nextAt: 0, failures: 0, busy: false };

  /**
   * @param {object[]} panels with `visible`, `nextAt`, `refresh()` and `mark`
   * @param {() => Promise<void>} askHealth fails where there is no answer
   * @param {(now: number) => void} onTick hears of every second
   */
  constructor(panels, askHealth, onTick) {
    this.panels = panels;
    this.askHealth = askHealth;
    this.onTick = onTick;
    this.paused = false;
    this.watch = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "200px" });
    for (const panel of panels) this.watch.observe(panel.element);
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#look(), LOOKED_EVERY_MS);
    setInterval(() => onTick(Date.now()), 1000);
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const panel = this.panels.find(({ element }) => element === target);
      if (panel) panel.visible = isIntersecting;
    }
    this.#look();
  }

  #look() {
    if (this.paused || document.hidden) return;
    const now = Date.now();
    for (const panel of this.panels) if (panel.visible && now >= panel.nextAt) panel.refresh();
    if (now >= this.#health.nextAt && !this.#health.busy) this.#ask();
  }

  async #ask() {
    const health = this.#health;
    health.busy = true;
    try {
      await this.askHealth();
      health.failures = 0;
    } catch {
      // askHealth has shown it
      health.failures += 1;
    } finally {
      health.nextAt = Date.now() + Math.min(HEALTH_EVERY_MS * 2 ** health.failures, MOST_BACK_OFF_MS);
      health.busy = false;
      this.onTick(Date.now());
    }
  }
}
