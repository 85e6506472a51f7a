/** The rows of queries as a CSV file, read page by page. */

import { el } from "../elements/dom.js";

const MAX_PAGES = 100;
const ROWS_PER_PAGE = 1000;

/** The most rows of a file. */
export const MAX_ROWS_IN_FILE = MAX_PAGES * ROWS_PER_PAGE;

/**
 * Read queries as CSV and save them as one file.
 *
 * @param {[string, string][][]} queries the parameters of each
 * @returns {Promise<boolean>} whether the file is complete; false if there are more than {@link MAX_ROWS_IN_FILE} rows
 */
export async function downloadCsv(api, aggregate, queries) {
  const texts = [];
  const waiting = queries.map((query) => [...query, ["limit", String(ROWS_PER_PAGE)]]);
  while (waiting.length > 0 && texts.length < MAX_PAGES) {
    const { text, next } = await api.getCsv(aggregate.path("rows"), waiting.shift());
    // every page starts with the header line
    texts.push(texts.length === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
    if (next !== null) waiting.unshift(next);
  }
  const address = URL.createObjectURL(new Blob(texts, { type: "text/csv" }));
  const link = el("a", { href: address, download: `${aggregate.name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return waiting.length === 0;
}
