"""A page of another origin, which the settings name, asks the service and shows what it made."""

import base64

from testbed.encoded_pictures import encoded, noise

ASK = """
async ([service, picture]) => {
  const body = Uint8Array.from(atob(picture), (each) => each.charCodeAt(0));
  const said = {
    "Priority": "u=6",
    "Request-Timeout": "240",
    "X-Request-ID": "from-the-viewer",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const address = `${service}/v1/models/brain_mri/predict`;
  const later = await fetch(address, { method: "POST", body, headers: { ...said, Prefer: "respond-async" } });
  const now = await fetch(address, { method: "POST", body, headers: said });
  const result = await now.json();
  const refused = await fetch(address, { method: "POST", body: "no picture", headers: said });
  const image = new Image();
  image.crossOrigin = "anonymous";
  image.src = `${service}${result.links.overlay}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  const drawing = canvas.getContext("2d");
  drawing.drawImage(image, 0, 0);
  return {
    later: [later.status, later.headers.get("Location"), later.headers.get("Preference-Applied")],
    now: [now.status, now.headers.get("Content-Location"), now.headers.get("X-Request-ID")],
    refused: [refused.status, (await refused.json()).code],
    opacity: drawing.getImageData(0, 0, 1, 1).data[3],
  };
}
"""


def test_a_named_page_may_say_what_is_documented_and_read_and_show_what_comes(frontend, viewer, browser):
    picture = base64.b64encode(encoded(noise((64, 64), 7))).decode()
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(viewer)
        seen = page.evaluate(ASK, [frontend.url, picture])
    status, job, applied = seen["later"]
    assert (status, applied) == (202, "respond-async")
    assert job.startswith("/v1/jobs/")
    assert seen["now"][::2] == [200, "from-the-viewer"]
    assert seen["now"][1].startswith("/v1/results/")
    assert seen["refused"] == [415, "unsupported_image"]
    assert seen["opacity"] == 255
