/** The rows of queries as a CSV file, read page by page. */

import { ofSameVersion } from "../data/generations.js";
import { el } from "../elements/dom.js";

const MAX_ROWS = 100_000;
const ROWS_PER_PAGE = 1000;

/** Pages can be short or even empty, so their number is bounded too. */
const MAX_PAGES = 1000;

/** A cell in quotes, in which there may be line breaks. */
const QUOTED = /"[^"]*"/g;

/** The first line. Names can have line breaks, too. */
const HEADER = /^(?:[^"\r]|"[^"]*")*\r\n/;

/**
 * Read queries as CSV and save them as one file, of a hundred thousand rows at most.
 *
 * @param {[string, string][][]} queries the parameters of each
 * Throws Moved if readers were moved to another version than the aggregate's.
 *
 * @returns {Promise<{rows: number, isComplete: boolean}>} how many rows the file has, and whether there are no others
 */
export async function downloadCsv(api, aggregate, queries) {
  const texts = [];
  let rows = 0;
  const waiting = [...queries];
  while (waiting.length > 0 && rows < MAX_ROWS && texts.length < MAX_PAGES) {
    // the query of a following page has the limit of the page before
    const query = waiting.shift().filter(([name]) => name !== "limit");
    const limit = String(Math.min(ROWS_PER_PAGE, MAX_ROWS - rows));
    const page = await api.getCsv(aggregate.path("rows"), [...query, ["limit", limit]]);
    // the cells of another version would come under the names of this one
    const { text, next } = ofSameVersion(page, aggregate);
    // every page starts with the header line
    texts.push(texts.length === 0 ? text : text.replace(HEADER, ""));
    rows += text.replace(QUOTED, "").split("\r\n").length - 2;
    if (next !== null) waiting.unshift(next);
  }
  const address = URL.createObjectURL(new Blob(texts, { type: "text/csv" }));
  const link = el("a", { href: address, download: `${aggregate.name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return { rows, isComplete: waiting.length === 0 };
}
