// The page: what is dropped, the queue, and which song is heard.

import { json, request, upload } from "/static/api.js";
import { chosen, dropped } from "/static/drop.js";
import { PlayerView, clock } from "/static/player_view.js";

const byId = (id) => document.getElementById(id);
const state = { models: [], extensions: [], jobs: new Map(), version: -1, uploads: 0 };
const view = new PlayerView((text) => say(text));

export function say(text) {
  byId("status").textContent = text;
}

const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(bytes < 1e8 ? 3 : 1)} GB`;

async function loadModels() {
  const found = await json("/api/models");
  state.models = found.models;
  state.extensions = found.extensions;
  view.formats(found.formats);
  byId("model").replaceChildren(...found.models.map((model) => new Option(model.name, model.name)));
  chooseModel();
}

function chooseModel() {
  const model = state.models.find((each) => each.name === byId("model").value);
  const speed = model.speed ? `; ${model.speed.toFixed(1)} × real time here` : "";
  byId("about").textContent = `${model.about}${speed}`;
  const boxes = model.sources.map((source) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: source, checked: true });
    label.append(box, ` ${source}`);
    return label;
  });
  byId("sources").replaceChildren(byId("sources").firstElementChild, ...boxes);
}

async function submit({ files, skipped }) {
  const sources = [...byId("sources").querySelectorAll("input:checked")].map((box) => box.value);
  if (!sources.length) return say("Choose at least one stem.");
  if (!files.length) return say(skipped ? `No audio files among ${skipped}.` : "Nothing was dropped.");
  const options = { model: byId("model").value, sources: sources.join(","), bits: byId("bits").value };
  const failed = [];
  for (const [place, file] of files.entries()) {
    state.uploads += 1;
    const which = files.length > 1 ? `${place + 1} of ${files.length}: ` : "";
    try {
      if (file.size > state.limits.upload) throw new Error(`larger than ${gigabytes(state.limits.upload)}`);
      await upload(file, { name: file.name, ...options }, (share) =>
        say(`Sending ${which}${file.name} (${Math.round(100 * share)} %)`));
    } catch (error) {
      failed.push(`${file.name}: ${error.message}`);
    }
    state.uploads -= 1;
    refresh();
  }
  const done = files.length - failed.length;
  const parts = [`${done} ${done === 1 ? "song is" : "songs are"} in the queue.`];
  if (skipped) parts.push(`${skipped} other files were left out.`);
  say([...failed, ...(done || !failed.length ? parts : [])].join(" "));
}

function described(job) {
  if (job.state === "failed") return job.error;
  if (job.state === "queued") return "waits";
  if (job.state === "cancelled") return "cancelled";
  if (job.state === "running") {
    const left = job.seconds_left === null ? "" : `, ${clock(job.seconds_left)} left`;
    return `${Math.round(100 * job.progress)} %${left}`;
  }
  const seconds = job.facts.samples / job.facts.sample_rate;
  const until = new Date(1000 * (job.ended + 86400 * state.limits.days));
  const warnings = job.facts.warnings.map((warning) => `warning: ${warning}; `).join("");
  return `${warnings}${clock(seconds)}, ${(seconds / job.result.seconds).toFixed(1)} × real time, `
    + `${(job.bytes / 1e6).toFixed(0)} MB, kept until ${until.toLocaleDateString()}`;
}

function button(text, label, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.setAttribute("aria-label", `${text}: ${label}`);
  made.addEventListener("click", async () => {
    try {
      await act();
    } catch (error) {
      say(error.message);
    }
    refresh();
  });
  return made;
}

function actions(job) {
  const path = `/api/jobs/${job.id}`;
  const found = [];
  if (job.state === "done") found.push(button("Open", job.name, () => view.open(job)));
  if (job.state === "queued" || job.state === "running") {
    found.push(button("Cancel", job.name, () => request(`${path}/cancel`, { method: "POST" })));
  }
  if (job.state === "failed" || job.state === "cancelled") {
    found.push(button("Retry", job.name, () => request(`${path}/retry`, { method: "POST" })));
  }
  if (!["queued", "running"].includes(job.state)) {
    found.push(button("Delete", job.name, async () => {
      await request(path, { method: "DELETE" });
      if (view.job?.id === job.id) view.close();
    }));
  }
  return found;
}

// One line of the list; buttons are made anew only when the state changes, so that focus stays.
function show(job) {
  const id = `job-${job.id}`;
  let item = byId(id);
  if (!item) {
    item = Object.assign(document.createElement("li"), { id });
    for (const name of ["name", "state", "actions"]) {
      const part = document.createElement(name === "actions" ? "div" : "span");
      part.className = name;
      item.append(part);
    }
    byId("jobs").prepend(item);
  }
  const [name, told, buttons] = item.children;
  name.textContent = job.name;
  told.textContent = described(job);
  if (item.className !== job.state) {
    const focused = buttons.contains(document.activeElement);
    item.className = job.state;
    buttons.replaceChildren(...actions(job));
    if (focused) buttons.firstElementChild?.focus();
    item.querySelector("progress")?.remove();
    if (job.state === "running") {
      const bar = Object.assign(document.createElement("progress"), { max: 1 });
      bar.setAttribute("aria-label", job.name);
      item.append(bar);
    }
    const before = state.jobs.get(job.id);
    if (before && before.state === "running") say(`${job.name}: ${job.state === "done" ? "done" : described(job)}`);
  }
  const bar = item.querySelector("progress");
  if (bar) bar.value = job.progress;
  state.jobs.set(job.id, job);
}

async function refresh() {
  let found;
  try {
    found = await json("/api/jobs");
  } catch (error) {
    say(error.message);
    return true;
  }
  state.limits = found.limits;
  const there = new Set(found.jobs.map((job) => job.id));
  for (const id of [...state.jobs.keys()]) {
    if (there.has(id)) continue;
    byId(`job-${id}`)?.remove();
    state.jobs.delete(id);
    if (view.job?.id === id) view.close();
  }
  found.jobs.forEach(show);
  byId("empty").hidden = found.jobs.length > 0;
  byId("storage").textContent = `${gigabytes(found.bytes)} of ${gigabytes(found.limits.disk)} used. `
    + `Ended songs are deleted after ${found.limits.days} days, the oldest first where space is short.`;
  return found.jobs.some((job) => job.state === "running" || job.state === "queued");
}

async function watch() {
  const busy = await refresh();
  setTimeout(watch, busy ? 500 : 2500);
}

function listen() {
  const zone = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) window.addEventListener(name, () => zone.classList.remove("over"));
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    submit(await dropped(event.dataTransfer, state.extensions));
  });
  byId("model").addEventListener("change", chooseModel);
  for (const [id, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    byId(id).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", (event) => {
      submit(chosen(event.target.files, state.extensions, input === "folder"));
      event.target.value = "";
    });
  }
}

listen();
try {
  await loadModels();
} catch (error) {
  say(error.message);
}
watch();
window.dssgan = { view, state };
