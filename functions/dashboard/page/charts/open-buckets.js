/** Buckets that are not over: dashed, because a part of a bucket next to whole ones looks like a collapse. */

import uPlot from "../vendor/uplot/uPlot.esm.js";

const DASH_PX = 4;
const RING_PX = 4;

/** Return a path builder of uPlot that ends before the first open bucket. */
export function closedPaths(openFrom) {
  const linear = uPlot.paths.linear();
  return (plot, series, first, last) => {
    const end = Math.min(last, openFrom() - 1);
    return end < first ? null : linear(plot, series, first, end);
  };
}

/** Draw the open buckets of a series: a dashed line from the last one that is over, and a ring at each. */
export function drawOpenBuckets(plot, series, openFrom) {
  const [xs, values] = [plot.data[0], plot.data[series]];
  if (openFrom >= xs.length) return;
  const { ctx, bbox } = plot;
  const { _stroke: color, width, alpha } = plot.series[series];
  const scale = uPlot.pxRatio;
  ctx.save();
  ctx.globalAlpha = alpha;
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - RING_PX * scale, bbox.width + RING_PX * scale, bbox.height + 2 * RING_PX * scale);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = width * scale;
  let previous = null;
  for (let index = Math.max(openFrom - 1, 0); index < xs.length; index += 1) {
    const value = values[index];
    const point = value === null ? null : [plot.valToPos(xs[index], "x", true), plot.valToPos(value, "y", true)];
    if (index >= openFrom && point) drawPoint(ctx, previous, point, scale);
    previous = point;
  }
  ctx.restore();
}

function drawPoint(ctx, previous, [x, y], scale) {
  if (previous) {
    ctx.setLineDash([DASH_PX * scale, DASH_PX * scale]);
    ctx.beginPath();
    ctx.moveTo(...previous);
    ctx.lineTo(x, y);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.arc(x, y, RING_PX * scale, 0, 2 * Math.PI);
  ctx.stroke();
}
