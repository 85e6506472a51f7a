/**
 * JSON parsing that keeps every digit of a number.
 *
 * Aggregates hold numbers of up to 38 digits; a JavaScript number is exact to 15. A longer number becomes an Exact:
 * its text for display, the nearest float for drawing.
 */

const SAFE_DIGITS = 15;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const MAY_BE_LONG = /[\d.]{16}/;
const MARKER = "\u0001exact";

/** A number that keeps its text. */
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

/** Parse JSON. Throws a SyntaxError if the text is not JSON. */
export function parse(text) {
  if (!MAY_BE_LONG.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) => (isLong(token) ? `{"\\u0001exact":"${token}"}` : token));
  return JSON.parse(marked, (_, value) =>
    value !== null && typeof value === "object" && MARKER in value ? new Exact(value[MARKER]) : value,
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

/** Return whether a value is a number, exact or not. */
export function isNumber(value) {
  return typeof value === "number" || value instanceof Exact;
}

const DECIMAL = /^\s*([+-]?)(?=\.?\d)0*(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?\s*$/i;

/** Return whether two texts are the same number, such as `2.50` and `2.5`, or `1e3` and `1000`. */
export function isSameNumber(one, other) {
  const [first, second] = [normalForm(one), normalForm(other)];
  return first !== null && first === second;
}

/** Return a number's sign, its digits without zeros at either end, and an exponent; null if it is not a number. */
function normalForm(text) {
  const found = DECIMAL.exec(text);
  if (found === null) return null;
  const [, sign, whole, fraction = "", exponent = "0"] = found;
  const digits = (whole + fraction).replace(/0+$/, "");
  const significant = digits.replace(/^0+/, "");
  if (significant === "") return "0";
  return `${sign === "-" ? "-" : ""}${significant}e${Number(exponent) + whole.length - digits.length}`;
}
