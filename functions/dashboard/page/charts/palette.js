/**
 * Colours, from the stylesheet: lines in the order of theme.css, told apart by people who see colours otherwise, too.
 */

import { MOST_LINES } from "../data/ranges.js";

/** Return a colour of the stylesheet as it is now. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Return the colours of the lines. */
export function lineColours() {
  return Array.from({ length: MOST_LINES }, (_, place) => colour(`line-${place + 1}`));
}

/** Return a colour that lets through what is behind it; `share` is from 0 to 1. */
export function veil(hex, share) {
  return `${hex}${Math.round(share * 255)
    .toString(16)
    .padStart(2, "0")}`;
}
