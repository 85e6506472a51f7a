/** The stylesheet's colors, for drawing on a canvas. theme.css orders the lines' colors. */

import { MAX_LINES } from "../data/ranges.js";

/** Return a color of the stylesheet in the current appearance. */
export function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Return the colors of the lines. */
export function lineColors() {
  return Array.from({ length: MAX_LINES }, (_, slot) => themeColor(`line-${slot + 1}`));
}

/** Return a color with an opacity from 0 to 1. */
export function withOpacity(hex, opacity) {
  return `${hex}${Math.round(opacity * 255)
    .toString(16)
    .padStart(2, "0")}`;
}
