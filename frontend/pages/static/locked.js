// A page of a result where keys are needed: its address is open, what it shows is fetched with the key.

import { readText, showIn } from "./api.js";
import { attempt } from "./problem.js";

attempt(async () => {
  const place = document.getElementById("locked");
  const page = new DOMParser().parseFromString(await readText(place.dataset.source), "text/html");
  place.replaceWith(page.querySelector("article"));
  document.title = page.title;
  await import("./printing.js");
  await Promise.all([...document.querySelectorAll("img[data-source]")].map((image) => showIn(image, image.dataset.source)));
});
