/**
 * JSON whose numbers keep every digit.
 *
 * Aggregates have numbers of up to 38 digits; JavaScript's hold 15 of any, and would show the rest wrongly. A
 * number with more
 * than that becomes an Exact: its text for whoever reads it, its nearest float for whoever draws it.
 */

const SAFE_DIGITS = 15;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const MAY_BE_LONG = /[\d.]{16}/;
const MARK = "\u0001exact";

/** A number as it was written. */
export class Exact {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }

  valueOf() {
    return Number(this.text);
  }
}

/** Read JSON; throws a SyntaxError where it is none. */
export function parse(text) {
  if (!MAY_BE_LONG.test(text)) return JSON.parse(text);
  const kept = text.replace(TOKEN, (token) => (isLong(token) ? `{"\\u0001exact":"${token}"}` : token));
  return JSON.parse(kept, (_, value) =>
    value !== null && typeof value === "object" && MARK in value ? new Exact(value[MARK]) : value,
  );
}

function isLong(token) {
  if (token[0] === '"' || token.length <= SAFE_DIGITS) return false;
  const digits = token
    .replace(/[eE].*/, "")
    .replace(/[-.]/g, "")
    .replace(/^0+/, "");
  return digits.length > SAFE_DIGITS;
}

/** Tell whether a value is a number, exact or not. */
export function isNumber(value) {
  return typeof value === "number" || value instanceof Exact;
}
