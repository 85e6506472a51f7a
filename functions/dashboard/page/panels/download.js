/** The rows of a query as a CSV file, read page by page. */

import { el } from "../elements/dom.js";

const MAX_PAGES = 100;
const ROWS_PER_PAGE = 1000;

/** The most rows of a file. */
export const MAX_ROWS_IN_FILE = MAX_PAGES * ROWS_PER_PAGE;

/**
 * Read a query as CSV and save it as a file.
 *
 * @returns {Promise<boolean>} whether the file is complete; false if there are more than {@link MAX_ROWS_IN_FILE} rows
 */
export async function downloadCsv(api, aggregate, parameters) {
  const texts = [];
  let query = [...parameters, ["limit", String(ROWS_PER_PAGE)]];
  for (let page = 0; page < MAX_PAGES && query !== null; page += 1) {
    const { text, next } = await api.getCsv(aggregate.path("rows"), query);
    // every page starts with the header line
    texts.push(page === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
    query = next;
  }
  const address = URL.createObjectURL(new Blob(texts, { type: "text/csv" }));
  const link = el("a", { href: address, download: `${aggregate.name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return query === null;
}
