// Pictures come from the file dialog, from drag and drop anywhere on the page, and from the clipboard.

/** Call `listener` with the files, one or more, whenever the user has picked some. */
export function onPictures(listener) {
  const input = document.getElementById("file");
  const zone = document.getElementById("drop");
  const pick = (files) => files?.length && listener([...files]);
  input.multiple = true; // a form without scripts sends one
  // Scanners name files IM000001: a dialog that goes by endings hides them. A phone's has pictures, and converts some.
  if (matchMedia("(pointer: fine)").matches) input.removeAttribute("accept");
  input.addEventListener("change", () => {
    pick(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // or a picture that misses the zone would take the place of the page
      zone.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") pick(event.dataTransfer?.files);
    });
  }
  document.addEventListener("paste", (event) => pick(event.clipboardData?.files)); // text goes where it was meant to
}
