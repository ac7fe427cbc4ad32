// The outlines of objects: where they are, which one is under the pointer, and how they are drawn.

const HIT = document.createElement("canvas").getContext("2d");

function pathOf(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    ring.forEach(([x, y], index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  return path;
}

/** Area of a ring, in pixels of the picture. */
function areaOf(ring) {
  let twice = 0;
  for (let at = 1; at < ring.length; at++) twice += ring[at - 1][0] * ring[at][1] - ring[at][0] * ring[at - 1][1];
  return Math.abs(twice) / 2;
}

function boxOf(ring) {
  const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)];
  const least = (values) => values.reduce((one, other) => Math.min(one, other));
  const most = (values) => values.reduce((one, other) => Math.max(one, other));
  return [least(xs), least(ys), most(xs), most(ys)];
}

/**
 * An object of a GeoJSON file, in pixels of the picture.
 * @returns {{id: string, name: string, title: string, area: number, box: number[], path: Path2D, excluded: boolean}}
 *   `name` is its class; `area` is in pixels.
 */
export function objectOf({ geometry, properties }) {
  const [outline, ...holes] = geometry.coordinates;
  const kind = properties.was ?? properties.classification; // excluded ones are of class Ignore*
  const [red, green, blue] = kind.color;
  return {
    id: properties.name,
    name: properties.name.slice(0, properties.name.lastIndexOf("-")),
    title: `${kind.name} ${properties.name.slice(properties.name.lastIndexOf("-") + 1)}`,
    colour: `rgb(${red} ${green} ${blue})`,
    area: holes.reduce((left, hole) => left - areaOf(hole), areaOf(outline)),
    box: boxOf(outline),
    path: pathOf(geometry.coordinates),
    excluded: properties.excluded ?? false,
  };
}

/** Lines that belong to a layer, such as a box: drawn like an object, and none. */
export const markOf = ({ rings, colour }) => ({ box: boxOf(rings.flat()), path: pathOf(rings), colour, excluded: false });

/** The object at a point of the picture, or undefined. */
export const objectAt = (objects, [x, y]) =>
  objects.find(
    ({ box: [left, top, right, bottom], path }) =>
      x >= left && x < right && y >= top && y < bottom && HIT.isPointInPath(path, x, y, "evenodd"),
  );

/** Take the colours of objects from a tile; see Tiles. */
export function cutOut(objects, context, scale, left, top) {
  context.save();
  context.globalCompositeOperation = "destination-out";
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  for (const { path } of objects) context.fill(path, "evenodd");
  context.restore();
}

/**
 * Draw outlines on a canvas that lies over the pane.
 * @param {HTMLCanvasElement} canvas
 * @param {{left: number, top: number, scale: number}} place see Stage.
 * @param {number} from where to begin, in pixels of the page from the left; what a divider leaves out.
 * @param {object[]} objects those to draw.
 * @param {object | undefined} marked the one to stress.
 */
export function drawOutlines(canvas, { left, top, scale }, from, objects, marked) {
  const ratio = window.devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  [canvas.width, canvas.height] = [width * ratio, height * ratio]; // clears it, too
  const context = canvas.getContext("2d");
  context.beginPath();
  context.rect(from * ratio, 0, canvas.width, canvas.height);
  context.clip();
  context.setTransform(scale * ratio, 0, 0, scale * ratio, left * ratio, top * ratio);
  for (const each of objects) {
    const [first, , last] = each.box;
    const [, upper, , lower] = each.box;
    const inSight = last * scale + left > 0 && first * scale + left < width && lower * scale + top > 0;
    if (!inSight || upper * scale + top > height) continue;
    stroke(context, each, scale, each === marked);
  }
}

function stroke(context, { path, colour, excluded }, scale, marked) {
  context.setLineDash(excluded ? [4 / scale, 3 / scale] : []);
  // Dark below light, so that it is seen on any picture.
  for (const [width, style] of [
    [marked ? 5 : 3, "rgb(0 0 0 / 70%)"],
    [marked ? 3 : 1.5, excluded ? "white" : colour],
  ]) {
    context.lineWidth = width / scale;
    context.strokeStyle = style;
    context.stroke(path);
  }
}
