/** What the API says about an aggregate's generations, as texts for people. */

const UNBUILT_STATES = ["declared", "building", "interrupted"];

/** Return whether there are rows to read; an API that does not list generations always has rows. */
export function isBuilt(description) {
  return description.shown !== null;
}

/** Readers were moved to another version than a panel was made for, whose groups and measures may differ. */
export class Moved extends Error {
  /** There was a response. */
  status = 200;
}

/** Return a response with rows or values of an aggregate. Throws {@link Moved} if they are of another version. */
export function ofSameVersion(page, { name, version }) {
  if (page.version !== undefined && page.version !== version)
    throw new Moved(`Readers see version ${page.version} of ${name} now, not version ${version}`);
  return page;
}

/** Return whether changes are still added to the rows that are shown, as far as is known. */
export function isFed({ shown, generations = [] }) {
  return generations.find(({ version }) => version === shown)?.state !== "interrupted";
}

/** Return whether a version of an aggregate is being built. */
export function isBuilding({ generations = [] }) {
  return generations.some(({ state }) => state === "building");
}

/**
 * Describe what readers should know about the generations of an aggregate.
 *
 * @returns {{build: string|null, isUnderWay: boolean, progress: number|null, warning: string|null}} `build` is about
 *   the newest version if it is not built yet, `progress` the part that is done; `warning` is about the rows shown
 */
export function describeGenerations({ name, shown, generations = [] }) {
  const [newest] = generations;
  const found = generations.find(({ version }) => version === shown);
  const warning = found === undefined || found.exact ? null : `These values may not be exact: ${found.reason}.`;
  if (newest === undefined || newest === found || (found !== undefined && !UNBUILT_STATES.includes(newest.state)))
    return { build: null, isUnderWay: false, progress: null, warning };
  const isUnderWay = newest.state === "building" && newest.reason === null;
  const progress = isUnderWay && newest.progress !== null ? Number(newest.progress) : null;
  const until = found === undefined ? "" : ` Until then, version ${shown} is shown.`;
  return { build: buildText(name, newest, isUnderWay, progress) + until, isUnderWay, progress, warning };
}

function buildText(name, { version, reason }, isUnderWay, progress) {
  if (isUnderWay) {
    // of thousandths, which are whole: 100 * 0.29 is less than 29
    const done = progress === null ? "" : `: ${Math.floor(Math.round(1000 * progress) / 10)}% done`;
    return `Version ${version} is being built${done}.`;
  }
  const because = reason === null ? "" : ` (${reason})`;
  return `Version ${version} is not built${because}. Run \`tailrace rebuild ${name}\` to build it.`;
}
