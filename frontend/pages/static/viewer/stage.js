// The picture and the layer over it on OpenSeadragon: one pane, or two that move together, or one with a divider.

import { Tiles } from "./tiles.js";
import { Greys } from "./window.js";

const { OpenSeadragon } = window;

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

const NEAREST_ZOOM = 16; // screen pixels that a pixel of the picture may take
const SQUARES_FROM = 3; // screen pixels from which on a pixel of the picture is seen as the square that it is
const NAVIGATOR_FROM = 4_000_000; // pixels of a picture in which one can lose the way
const SAME_ZOOM = 0.01;
const TRIES = 2;
const TRY_AGAIN_MS = 1500;

// OpenSeadragon puts a style element into the page, which the page's policy forbids, unless it finds one. What it finds
// here has the name and is of no namespace, so it is no style to a browser.
const styled = document.createElementNS(null, "style");
styled.setAttribute("data-openseadragon-mobile-css", "");
document.head.append(styled);

function makeViewer(element, { width, height }, name) {
  const viewer = new OpenSeadragon.Viewer({
    element,
    drawer: "canvas",
    showNavigationControl: false,
    showNavigator: width * height >= NAVIGATOR_FROM,
    navigatorPosition: "TOP_RIGHT",
    animationTime: calm.matches ? 0 : 0.4,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsPen: { clickToZoom: false, dblClickToZoom: true },
    clickTimeThreshold: Infinity, // a click is what ends where it began, however slow the hand or the machine
    visibilityRatio: 0.5,
    minZoomImageRatio: 0.8,
    maxZoomPixelRatio: NEAREST_ZOOM,
    maxImageCacheCount: 120,
    tileRetryMax: TRIES,
    tileRetryDelay: TRY_AGAIN_MS,
    silenceMultiImageWarnings: true,
  });
  viewer.canvas.setAttribute("role", "application");
  viewer.canvas.setAttribute("aria-label", name);
  viewer.addHandler("tile-drawing", ({ tiledImage, tile, rendered }) => tiledImage.source.prepare(rendered, tile));
  viewer.addHandler("zoom", ({ zoom }) => {
    viewer.drawer.setImageSmoothingEnabled(zoom * element.clientWidth < SQUARES_FROM * width);
  });
  return viewer;
}

function add(viewer, source, opacity = 1) {
  return new Promise((resolve, reject) => {
    viewer.addTiledImage({
      tileSource: source,
      opacity,
      success: ({ item }) => resolve(item),
      error: ({ message }) => reject(new Error(message)),
    });
  });
}

function destroy(viewer) {
  for (let at = 0; at < viewer.world.getItemCount(); at++) viewer.world.getItemAt(at).source.end();
  viewer.destroy();
}

export class Stage {
  #viewers = [];
  #layer = null;
  #divider = null; // 0 to 1 of the pane's width, while there is one
  #moving = false;
  #window = null; // the picture's colours, if they are others than its own
  #whole = true; // whether all of the picture is in sight, which a change of the pane's size leaves so

  /**
   * @param {HTMLElement} pane
   * @param {HTMLElement} plainPane for the picture without the layer, beside it.
   * @param {object} described what the service says of the result's tiles.
   * @param {string} address of its tiles.
   * @param {string} name of the picture, for people who do not see it.
   */
  constructor(pane, plainPane, described, address, name) {
    Object.assign(this, { pane, plainPane, described, address, name, greys: new Greys(), onDrag: () => false });
  }

  /** How the numbers are kept that the picture was made of, where they are. */
  get values() {
    return this.described.layers.find(({ kind }) => kind === "values")?.values;
  }

  /** Show the picture; call `onDraw` whenever something moved or was drawn. */
  async open(onDraw) {
    this.onDraw = onDraw;
    this.main = await this.#pictureIn(this.pane, this.name);
    this.main.addHandler("update-viewport", () => {
      this.#clip();
      this.#whole = Math.abs(this.main.viewport.getZoom() / this.main.viewport.getHomeZoom() - 1) < SAME_ZOOM;
      this.onDraw();
    });
    this.main.addHandler("resize", () => {
      if (this.#whole) requestAnimationFrame(() => this.main.viewport?.goHome(true)); // after what it does by itself
    });
  }

  async #pictureIn(pane, name) {
    const viewer = makeViewer(pane, this.described, name);
    this.#viewers.push(viewer);
    for (const kind of ["canvas-drag", "canvas-drag-end"]) {
      viewer.addHandler(kind, (event) => {
        event.preventDefaultAction = this.onDrag(event);
      });
    }
    const look = (bitmap) => this.greys.look(bitmap);
    await add(viewer, new Tiles(this.described, `${this.address}/image`, this.values ? null : this.#window, null, look));
    if (this.values) {
      const source = new Tiles(this.described, `${this.address}/values`, this.#window);
      await add(viewer, source, this.#window ? 1 : 0); // at 0 its tiles are not fetched
    }
    return viewer;
  }

  /** Colour the picture itself, or the numbers it was made of, where they are kept; see Tiles. null: as it is. */
  colourPicture(colour) {
    this.#window = colour;
    for (const viewer of this.#viewers) {
      const item = viewer.world.getItemAt(this.values ? 1 : 0);
      item?.source.colourAgain(colour);
      if (this.values) item?.setOpacity(colour ? 1 : 0);
      viewer.forceRedraw();
    }
  }

  /** Lay a layer over the picture; see Tiles. */
  async addLayer(name, colour, finish, opacity) {
    this.#layer = await add(this.main, new Tiles(this.described, `${this.address}/${name}`, colour, finish), opacity);
  }

  /** Opacity of the layer, 0 to 1; at 0 its tiles are not fetched. */
  set opacity(opacity) {
    this.#layer?.setOpacity(opacity);
  }

  /** Whether everything in sight is there. */
  get complete() {
    return this.#viewers.every(({ world }) => {
      const shown = Array.from({ length: world.getItemCount() }, (_, at) => world.getItemAt(at));
      return shown.length > 0 && shown.every((item) => item.opacity === 0 || item.getFullyLoaded());
    });
  }

  /** Draw the layer in colours that have changed. */
  colourAgain() {
    this.#layer?.source.colourAgain();
    this.main?.forceRedraw();
  }

  zoomBy(factor) {
    this.main.viewport.zoomBy(factor).applyConstraints();
  }

  /** One pixel of the picture on one of the page. */
  zoomToPixels() {
    this.main.viewport.zoomTo(this.main.world.getItemAt(0).imageToViewportZoom(1)).applyConstraints();
  }

  showAll() {
    this.main.viewport.goHome();
  }

  /** Bring a part of the picture, [left, top, right, bottom] in its pixels, into the middle. */
  showPart([left, top, right, bottom]) {
    const margin = Math.max(right - left, bottom - top, 20);
    const box = [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin];
    this.main.viewport.fitBounds(this.main.world.getItemAt(0).imageToViewportRectangle(...box));
  }

  /** Where the picture lies in the pane: its upper left corner, and the size of its pixels, in pixels of the page. */
  place() {
    const picture = this.main.world.getItemAt(0);
    const at = (x) => picture.imageToViewerElementCoordinates(new OpenSeadragon.Point(x, 0));
    const origin = at(0);
    return { left: origin.x, top: origin.y, scale: (at(this.described.width).x - origin.x) / this.described.width };
  }

  /** The point of the picture under a point of the pane. */
  pictureAt(x, y) {
    const { left, top, scale } = this.place();
    return [(x - left) / scale, (y - top) / scale];
  }

  /** Show the picture alone beside the one with the layer, or end that. */
  async showBeside(on) {
    const beside = this.#viewers[1];
    if (on === Boolean(beside)) return;
    if (!on) {
      destroy(this.#viewers.pop());
      return;
    }
    const plain = await this.#pictureIn(this.plainPane, `${this.name}, without a layer`);
    if (!this.#viewers.includes(plain)) return; // it was taken away meanwhile
    this.#follow(this.main, plain);
    this.main.addHandler("viewport-change", () => this.#viewers.includes(plain) && this.#follow(this.main, plain));
    plain.addHandler("update-viewport", () => this.onDraw());
    plain.addHandler("viewport-change", () => this.#follow(plain, this.main));
  }

  #follow(leader, follower) {
    if (this.#moving) return;
    this.#moving = true;
    follower.viewport.zoomTo(leader.viewport.getZoom(true), null, true);
    follower.viewport.panTo(leader.viewport.getCenter(true), true);
    this.#moving = false;
  }

  /** Show the layer only to the right of a divider, at this part of the pane's width; null takes it away. */
  set divider(part) {
    this.#divider = part;
    this.#clip();
  }

  #clip() {
    if (!this.#layer) return;
    const { width, height } = this.described;
    const left = this.#divider === null ? 0 : this.pictureAt(this.#divider * this.pane.clientWidth, 0)[0];
    const from = Math.min(Math.max(left, 0), width);
    const clip = this.#divider === null ? null : new OpenSeadragon.Rect(from, 0, width - from, height);
    if (this.#layer.getClip()?.x !== clip?.x) this.#layer.setClip(clip);
  }

  close() {
    this.#viewers.forEach(destroy);
    this.#viewers = [];
  }
}
