/** A chart by keyboard: the arrows go from point to point and from line to line, plus and minus zoom, 0 goes back. */

const PAGE = 10;

export const HELP =
  "Left and right arrow: previous and next point. Up and down arrow: choose a line. Home, End: first and last point. " +
  "Plus and minus: zoom. 0: whole range.";

/**
 * Let an element that has the focus move the point of its chart.
 *
 * @param {HTMLElement} element
 * @param {{picture: () => object|null, move: (index: number|null, line: number|null) => void, zoom: (factor:
 *   number) => void, reset: () => void}} given
 */
export function keys(element, given) {
  let [index, line] = [null, null];
  const step = (picture, by) => {
    const last = picture.xs.length - 1;
    index = index === null ? (by > 0 ? 0 : last) : Math.min(Math.max(index + by, 0), last);
  };
  const choose = (picture, by) => {
    const shown = [
      null,
      ...picture.lines.map((one, place) => (one.hidden ? undefined : place)).filter((place) => place !== undefined),
    ];
    line = shown[(shown.indexOf(line) + by + shown.length) % shown.length] ?? null;
    index ??= picture.xs.length - 1;
  };
  const moves = {
    ArrowLeft: (picture) => step(picture, -1),
    ArrowRight: (picture) => step(picture, 1),
    PageUp: (picture) => step(picture, -PAGE),
    PageDown: (picture) => step(picture, PAGE),
    Home: () => (index = 0),
    End: (picture) => (index = picture.xs.length - 1),
    ArrowUp: (picture) => choose(picture, -1),
    ArrowDown: (picture) => choose(picture, 1),
  };
  const others = { "+": () => given.zoom(0.5), "=": () => given.zoom(0.5), "-": () => given.zoom(2), 0: given.reset };
  element.addEventListener("keydown", (event) => {
    const picture = given.picture();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
    if (others[event.key]) others[event.key]();
    else if (moves[event.key] && picture && picture.xs.length > 0) {
      if (index !== null && index >= picture.xs.length) index = null;
      moves[event.key](picture);
      given.move(index, line);
    } else return;
    event.preventDefault();
  });
  element.addEventListener("blur", () => {
    [index, line] = [null, null];
    given.move(null, null);
  });
}
