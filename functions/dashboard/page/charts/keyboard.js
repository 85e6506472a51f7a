/** Keyboard control of a chart: arrow keys move between points and lines, plus and minus zoom, 0 resets the zoom. */

const PAGE = 10;

export const KEYBOARD_HELP =
  "Left and right arrow: previous and next point. Up and down arrow: select a line. Home, End: first and last point. " +
  "Plus and minus: zoom. 0: reset zoom.";

/**
 * Handle the keys pressed while an element has the focus. The selected point and line stay the same when other data are
 * drawn, as with each refresh of a range that moves on.
 *
 * @param {HTMLElement} element
 * @param {{chartData: () => object|null, move: (index: number|null, lineIndex: number|null) => void, zoom: (factor:
 *   number) => void, reset: () => void}} handlers
 * @returns {(data: object) => number|null} returns the index of the selected point in other data; null without one, and
 *   if the pointer has moved since
 */
export function handleKeys(element, handlers) {
  let [second, lineKey, isPointed] = [null, null, false];
  const indexIn = ({ xs }) => (second === null || xs.length === 0 ? null : nearest(xs, second));
  const goTo = ({ xs }, index) => {
    second = xs[Math.min(Math.max(index, 0), xs.length - 1)];
  };
  const goToFirst = (data) => goTo(data, 0);
  const goToLast = (data) => goTo(data, data.xs.length - 1);
  const step = (data, points) => {
    if (second !== null) goTo(data, indexIn(data) + points);
    else if (points > 0) goToFirst(data);
    else goToLast(data);
  };
  const selectLine = (data, offset) => {
    const visible = data.lines.filter(({ hidden }) => !hidden).map(({ key }) => key);
    const choices = [null, ...visible]; // null: all lines
    lineKey = choices[(choices.indexOf(lineKey) + offset + choices.length) % choices.length] ?? null;
    if (second === null) goToLast(data);
  };
  const moves = {
    ArrowLeft: (data) => step(data, -1),
    ArrowRight: (data) => step(data, 1),
    PageUp: (data) => step(data, -PAGE),
    PageDown: (data) => step(data, PAGE),
    Home: goToFirst,
    End: goToLast,
    ArrowUp: (data) => selectLine(data, -1),
    ArrowDown: (data) => selectLine(data, 1),
  };
  const zoomIn = () => handlers.zoom(0.5);
  const zooms = { "+": zoomIn, "=": zoomIn, "-": () => handlers.zoom(2), 0: handlers.reset };
  element.addEventListener("keydown", (event) => {
    const data = handlers.chartData();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
    if (zooms[event.key]) zooms[event.key]();
    else if (moves[event.key] && data && data.xs.length > 0) {
      isPointed = false;
      moves[event.key](data);
      const lineIndex = data.lines.findIndex(({ key }) => key === lineKey);
      handlers.move(indexIn(data), lineIndex < 0 ? null : lineIndex);
    } else return;
    event.preventDefault();
  });
  element.addEventListener("blur", () => {
    [second, lineKey] = [null, null];
    handlers.move(null, null);
  });
  element.addEventListener("pointermove", () => {
    isPointed = true;
  });
  return (data) => (isPointed ? null : indexIn(data));
}

/** Return the index of the number that is nearest to a given one. */
function nearest(numbers, wanted) {
  const distance = (index) => Math.abs(numbers[index] - wanted);
  return numbers.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0);
}
