// Swagger UI on /docs. A file of its own, because the content security policy allows no script inside the page.
/* global SwaggerUIBundle */

import { rooted } from "./root.js";

SwaggerUIBundle({
  url: rooted("/openapi.json"),
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
