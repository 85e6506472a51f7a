/** Keyboard control of a chart: arrow keys move between points and lines, plus and minus zoom, 0 resets the zoom. */

const PAGE = 10;

export const KEYBOARD_HELP =
  "Left and right arrow: previous and next point. Up and down arrow: select a line. Home, End: first and last point. " +
  "Plus and minus: zoom. 0: reset zoom.";

/**
 * Handle the keys pressed while an element has the focus.
 *
 * @param {HTMLElement} element
 * @param {{chartData: () => object|null, move: (index: number|null, lineIndex: number|null) => void, zoom: (factor:
 *   number) => void, reset: () => void}} handlers
 */
export function handleKeys(element, handlers) {
  let [index, lineIndex] = [null, null];
  const step = (data, points) => {
    const last = data.xs.length - 1;
    index = index === null ? (points > 0 ? 0 : last) : Math.min(Math.max(index + points, 0), last);
  };
  const selectLine = (data, offset) => {
    const visible = [...data.lines.keys()].filter((candidate) => !data.lines[candidate].hidden);
    const choices = [null, ...visible]; // null: all lines
    lineIndex = choices[(choices.indexOf(lineIndex) + offset + choices.length) % choices.length] ?? null;
    index ??= data.xs.length - 1;
  };
  const moves = {
    ArrowLeft: (data) => step(data, -1),
    ArrowRight: (data) => step(data, 1),
    PageUp: (data) => step(data, -PAGE),
    PageDown: (data) => step(data, PAGE),
    Home: () => (index = 0),
    End: (data) => (index = data.xs.length - 1),
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
      if (index !== null && index >= data.xs.length) index = null;
      moves[event.key](data);
      handlers.move(index, lineIndex);
    } else return;
    event.preventDefault();
  });
  element.addEventListener("blur", () => {
    [index, lineIndex] = [null, null];
    handlers.move(null, null);
  });
}
