/**
 * When to request data again: visible panels only, while the tab is visible, and less often after errors. Waiting uses
 * the time since the page was opened: a clock that is set back would stop everything until it has caught up.
 */

const CHECK_EVERY_MS = 250;
const HEALTH_EVERY_MS = 2000;
const MAX_BACK_OFF_MS = 30_000;

/** Refreshes the visible panels and the stages' health, unless paused. */
export class Refresh {
  #health = { nextAt: 0, failures: 0, busy: false };

  /**
   * @param {object[]} panels with `element`, `visible`, `nextAt` and `refresh()`
   * @param {() => Promise<void>} loadHealth rejects if the request fails
   * @param {(now: number) => void} onTick called every second
   */
  constructor(panels, loadHealth, onTick) {
    this.panels = panels;
    this.loadHealth = loadHealth;
    this.onTick = onTick;
    this.paused = false;
    this.observer = new IntersectionObserver((entries) => this.#onIntersection(entries), { rootMargin: "200px" });
    this.observe();
    document.addEventListener("visibilitychange", () => this.#refreshDue());
    setInterval(() => this.#refreshDue(), CHECK_EVERY_MS);
    setInterval(() => onTick(Date.now()), 1000);
  }

  /** Find out which panels are in view; call it after `panels` has changed. */
  observe() {
    this.observer.disconnect();
    for (const panel of this.panels) this.observer.observe(panel.element);
  }

  #onIntersection(entries) {
    for (const { target, isIntersecting } of entries) {
      const panel = this.panels.find(({ element }) => element === target);
      if (panel) panel.visible = isIntersecting;
    }
    this.#refreshDue();
  }

  #refreshDue() {
    if (this.paused || document.hidden) return;
    const now = performance.now();
    for (const panel of this.panels) if (panel.visible && now >= panel.nextAt) panel.refresh();
    if (now >= this.#health.nextAt && !this.#health.busy) this.#refreshHealth();
  }

  async #refreshHealth() {
    const health = this.#health;
    health.busy = true;
    let retryMs = 0;
    try {
      await this.loadHealth();
      health.failures = 0;
    } catch (error) {
      // loadHealth has shown the error
      health.failures += 1;
      retryMs = (error.retryS ?? 0) * 1000;
    } finally {
      const everyMs = Math.min(HEALTH_EVERY_MS * 2 ** health.failures, MAX_BACK_OFF_MS);
      health.nextAt = performance.now() + Math.max(everyMs, retryMs);
      health.busy = false;
      this.onTick(Date.now());
    }
  }
}
