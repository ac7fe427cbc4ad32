// The legend of a layer: its classes, each of which can be hidden.

/**
 * The row of a class.
 * @param {{name: string, title: string, colour: string}} each the class.
 * @param {Set<string>} hidden names of classes that are not shown.
 * @param {() => void} tell called when it has changed.
 */
export function legendEntry({ name, title, colour }, hidden, tell) {
  const made = document.createElement("li");
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: name });
  const swatch = document.createElement("span");
  swatch.style.backgroundColor = colour;
  label.append(box, swatch, title);
  made.append(label);
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(name);
    else hidden.add(name);
    tell();
  });
  return made;
}
