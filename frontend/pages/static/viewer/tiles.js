// Tiles of a stored result for OpenSeadragon: fetched with the API key, which an image element could not send, and
// coloured here. A tile keeps what was fetched, so that it can be coloured again in place.

import { readPicture } from "../api.js";

const { OpenSeadragon } = window; // a classic script, loaded before the modules

/**
 * The tiles of one layer.
 * @param {object} described what the service says of the result's tiles.
 * @param {string} address of the layer's tiles.
 * @param {((from: Uint8ClampedArray, to: Uint32Array) => void) | null} colour null: the tiles are shown as they come.
 * @param {((context: CanvasRenderingContext2D, scale: number, left: number, top: number) => void) | null} finish draws
 *   more on a coloured tile, whose upper left corner is given, in pixels of the ORIGINAL, and its scale. null: the tiles
 *   hide what lies below them.
 * @param {((bitmap: ImageBitmap) => void) | null} look sees each tile once, when it comes.
 */
export class Tiles extends OpenSeadragon.TileSource {
  constructor({ width, height, tile, levels }, address, colour = null, finish = null, look = null) {
    super({ width, height, tileSize: tile, minLevel: 0, maxLevel: levels - 1 });
    Object.assign(this, { address, colour, finish, look, raw: new WeakMap(), generation: 0 });
    this.ended = new AbortController();
  }

  /** Let every tile that is drawn from now on take its colours anew, by another function if one is given. */
  colourAgain(colour = this.colour) {
    this.colour = colour;
    this.generation += 1;
  }

  getTileUrl(level, x, y) {
    return `${this.address}/${level}/${x}_${y}`;
  }

  hasTransparency() {
    return this.finish !== null;
  }

  downloadTileStart(job) {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, this.ended.signal]);
    job.userData.abort = () => controller.abort();
    readPicture(job.src, signal)
      .then((blob) => createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }))
      .then((bitmap) => {
        if (!signal.aborted) job.finish(this.#contextOf(bitmap), null, "context2d");
      })
      .catch((error) => {
        if (!signal.aborted) job.fail(error.message);
      });
  }

  /** Fetch no more, and hand over nothing that is under way. */
  end() {
    this.ended.abort();
  }

  downloadTileAbort(job) {
    job.userData.abort();
  }

  #contextOf(bitmap) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    const context = canvas.getContext("2d", { willReadFrequently: Boolean(this.colour) });
    context.drawImage(bitmap, 0, 0);
    this.look?.(bitmap);
    bitmap.close();
    return context;
  }

  #rawOf(context) {
    if (!this.raw.has(context)) {
      const { data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
      this.raw.set(context, { data, generation: -1 });
    }
    return this.raw.get(context);
  }

  /** Bring a tile's colours up to date; called for each tile just before it is drawn. */
  prepare(context, { level, x, y }) {
    if (!this.colour) return;
    const raw = this.#rawOf(context);
    if (raw.generation === this.generation) return;
    raw.generation = this.generation;
    const { width, height } = context.canvas;
    const coloured = new ImageData(width, height);
    this.colour(raw.data, new Uint32Array(coloured.data.buffer));
    context.putImageData(coloured, 0, 0);
    const scale = 2 ** (level - this.maxLevel);
    const side = this.getTileWidth(level); // this library's tile sources have no `tileSize`
    this.finish?.(context, scale, (x * side) / scale, (y * side) / scale);
  }
}
