// The description of the API, openapi.json, as a page.

import { json } from "/static/api.js";

const element = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });
const found = await json("/api/openapi.json");
document.getElementById("about").textContent = found.info.description;
for (const [path, methods] of Object.entries(found.paths)) {
  for (const [method, route] of Object.entries(methods)) {
    const section = element("section");
    section.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", route.summary));
    const list = element("ul");
    for (const given of route.parameters || []) {
      list.append(element("li", `${given.name} (${given.in}${given.required ? "" : ", optional"}): ${given.description}`));
    }
    if (route.requestBody) list.append(element("li", `body: ${route.requestBody.description}`));
    for (const [status, answer] of Object.entries(route.responses)) {
      list.append(element("li", `${status}: ${answer.description}`));
    }
    section.append(list);
    document.getElementById("routes").append(section);
  }
}
