// OpenSeadragon and the module on it: fetched when the first picture is chosen, not with the page.

const SOURCE = new URL("../vendor/openseadragon.min.js", import.meta.url).href;

let loading = null;

/** The module `stage`; begins to fetch it when first called, and again after a failure. */
export function loadLibrary() {
  loading ??= script()
    .then(() => import("./stage.js"))
    .catch((error) => {
      loading = null;
      throw error;
    });
  return loading;
}

/** A classic script, which a module cannot import. */
function script() {
  return new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: SOURCE, onload: resolve });
    element.onerror = () => reject(new Error("The viewer could not be fetched."));
    document.head.append(element);
  });
}
