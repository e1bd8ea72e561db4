// What is seen of the player: tracks with waveforms or spectrograms, transport, keys, downloads.

import { download, json } from "/static/api.js";
import { Drawing } from "/static/drawing.js";
import { Player } from "/static/player.js";

const byId = (id) => document.getElementById(id);
const STEP = 5; // seconds of an arrow key
const PIECES = ["kick", "snare", "toms", "hats", "cymbals"]; // of the drums

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const stored = (job) => (job.bits === "32f" ? "wav" : "flac");

export class PlayerView {
  constructor(say) {
    this.say = say;
    this.job = null;
    this.player = null;
    this.chosen = 0;
    this.listen();
  }

  formats(names) {
    byId("format").replaceChildren(...names.map((name) => new Option(name, name)));
  }

  async open(job) {
    this.close();
    if (!window.AudioContext) {
      this.say("This browser has no Web Audio: the stems cannot be heard here, but downloaded.");
    }
    this.job = job;
    this.overview = await json(`/api/jobs/${job.id}/overview`);
    const context = window.AudioContext ? new AudioContext({ sampleRate: job.facts.sample_rate }) : null;
    this.player = context && new Player(job, context, (error) => this.say(error.message));
    this.drawing = new Drawing(this.overview);
    this.chosen = 0;
    byId("player").hidden = false;
    byId("player-title").textContent = job.name;
    byId("facts").textContent = this.facts();
    byId("seek").max = job.facts.samples / job.facts.sample_rate;
    byId("format").value = stored(job);
    for (const id of ["compare", "loop", "view"]) byId(id).setAttribute("aria-pressed", "false");
    for (const id of ["play", "compare", "loop", "loop-from", "loop-to", "seek"]) byId(id).disabled = !this.player;
    byId("tracks").replaceChildren(...job.sources.map((name, place) => this.track(name, place)));
    this.quick();
    this.choose(0);
    this.draw();
    this.follow();
    byId("player").scrollIntoView({ block: "nearest" });
    byId("play").focus();
  }

  close() {
    this.player?.close();
    this.player = null;
    this.job = null;
    byId("player").hidden = true;
  }

  facts() {
    const { facts, result } = this.job;
    const parts = [`${clock(facts.samples / facts.sample_rate)}, ${facts.sample_rate} Hz, ${facts.channels} channels`];
    if (result.null_db !== null) {
      parts.push(`null test: the stems as stored add up to the song but for ${result.null_db.toFixed(1)} dBFS`);
    }
    if (result.notes !== undefined) parts.push(`${result.notes} drum notes, ${result.tempo} beats per minute`);
    if (result.gain_db < 0) parts.push(`all ${(-result.gain_db).toFixed(2)} dB quieter, so that none clips`);
    return parts.join("; ");
  }

  track(name, place) {
    const row = document.createElement("div");
    row.className = "track";
    row.dataset.stem = name;
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", name);
    const controls = document.createElement("div");
    controls.className = "controls";
    const link = Object.assign(document.createElement("a"), { textContent: name, href: this.path(name), draggable: true });
    link.title = `download ${name}`;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.take(this.path(name));
    });
    link.addEventListener("dragstart", (event) => this.drag(event, name));
    controls.append(link, this.toggle("Mute", name, "mute"), this.toggle("Solo", name, "solo"));
    controls.append(
      this.slider("Gain", name, { min: -40, max: 12, step: 0.5 }, (value) => ({ decibels: value }), (value) => `${value} dB`),
      this.slider("Pan", name, { min: -1, max: 1, step: 0.05 }, (value) => ({ panning: value }),
        (value) => (value === 0 ? "centre" : `${Math.round(100 * Math.abs(value))} % ${value < 0 ? "left" : "right"}`)),
    );
    const wave = document.createElement("div");
    wave.className = "wave";
    const region = Object.assign(document.createElement("div"), { className: "region", hidden: true });
    const head = Object.assign(document.createElement("div"), { className: "playhead" });
    wave.append(document.createElement("canvas"), region, head);
    this.point(wave);
    row.append(controls, wave);
    row.addEventListener("focusin", () => this.choose(place));
    return row;
  }

  toggle(text, name, key) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.className = key;
    made.disabled = !this.player;
    made.setAttribute("aria-pressed", "false");
    made.setAttribute("aria-label", `${text} ${name}`);
    made.addEventListener("click", () => {
      const value = !this.player.stems[name][key];
      this.player.set(name, { [key]: value });
      made.setAttribute("aria-pressed", String(value));
    });
    return made;
  }

  slider(text, name, range, values, told) {
    const label = document.createElement("label");
    const shown = Object.assign(document.createElement("span"), { textContent: `${text} ${told(0)}` });
    const input = Object.assign(document.createElement("input"), { type: "range", ...range, value: 0, disabled: !this.player });
    input.setAttribute("aria-label", `${text} of ${name}`);
    input.addEventListener("input", () => {
      const value = Number(input.value);
      this.player.set(name, values(value));
      shown.textContent = `${text} ${told(value)}`;
      input.setAttribute("aria-valuetext", told(value));
    });
    label.append(shown, input);
    return label;
  }

  // A click goes there, a drag makes a loop.
  point(wave) {
    const at = (event) => {
      const box = wave.getBoundingClientRect();
      return Math.round(this.player.length * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)));
    };
    wave.addEventListener("pointerdown", (event) => {
      if (!this.player || event.button) return;
      const [from, began] = [at(event), event.clientX];
      const up = (last) => {
        window.removeEventListener("pointerup", up);
        if (Math.abs(last.clientX - began) < 6) return this.player.seek(from);
        const to = at(last);
        this.region([Math.min(from, to), Math.max(from, to)], true);
      };
      window.addEventListener("pointerup", up);
    });
  }

  region(samples, looping) {
    this.player.setLoop(samples, looping);
    byId("loop").setAttribute("aria-pressed", String(this.player.looping));
    for (const part of byId("tracks").querySelectorAll(".region")) {
      part.hidden = samples === null;
      if (samples) {
        part.style.left = `${(100 * samples[0]) / this.player.length}%`;
        part.style.width = `${(100 * (samples[1] - samples[0])) / this.player.length}%`;
      }
    }
    if (samples) this.say(`Loop from ${clock(samples[0] / this.player.rate)} to ${clock(samples[1] / this.player.rate)}`);
  }

  choose(place) {
    this.chosen = place;
    [...byId("tracks").children].forEach((row, each) => row.classList.toggle("chosen", each === place));
  }

  path(name) {
    return `/api/jobs/${this.job.id}/stems/${encodeURIComponent(name)}?format=${byId("format").value}`;
  }

  drag(event, name) {
    const url = new URL(this.path(name), window.location.href);
    const file = `${this.job.name.replace(/\.[^.]*$/, "").replace(/[\\/:]/g, "_")} - ${name}.${byId("format").value}`;
    event.dataTransfer.setData("DownloadURL", `application/octet-stream:${file}:${url}`);
    event.dataTransfer.setData("text/uri-list", String(url));
  }

  async take(path) {
    this.say("The file is being made …");
    try {
      await download(path);
      this.say("The download has begun.");
    } catch (error) {
      this.say(error.message);
    }
  }

  // What is wanted most, in one click.
  quick() {
    const { sources, result } = this.job;
    const offers = [];
    const mix = (names) => () => `mix?sources=${names.join(",")}&format=${byId("format").value}`;
    const drums = sources.includes("drums") ? ["drums"] : sources.filter((each) => PIECES.includes(each));
    const rest = (names) => sources.filter((each) => !names.includes(each));
    if (drums.length) offers.push(["Drums only", mix(drums)]);
    if (sources.includes("vocals") && sources.length > 1) offers.push(["Instrumental", mix(rest(["vocals"]))]);
    if (drums.length && rest(drums).length) offers.push(["Without drums", mix(rest(drums))]);
    if (result.notes !== undefined) offers.push(["Drum notes (MIDI)", () => "notes"]);
    byId("quick").replaceChildren(...offers.map(([text, path]) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      made.addEventListener("click", () => this.take(`/api/jobs/${this.job.id}/${path()}`));
      return made;
    }));
  }

  draw() {
    const spectrogram = byId("view").getAttribute("aria-pressed") === "true";
    for (const row of byId("tracks").children) {
      this.drawing.draw(row.querySelector("canvas"), row.dataset.stem, spectrogram);
    }
  }

  follow() {
    if (!this.job) return;
    if (this.player) {
      const seconds = this.player.position() / this.player.rate;
      const share = this.player.position() / Math.max(1, this.player.length);
      for (const head of byId("tracks").querySelectorAll(".playhead")) head.style.left = `${100 * share}%`;
      if (document.activeElement !== byId("seek") || this.player.playing) byId("seek").value = seconds;
      byId("seek").setAttribute("aria-valuetext", clock(seconds));
      byId("time").textContent = `${clock(seconds)} / ${clock(this.player.length / this.player.rate)}`;
      byId("play").textContent = this.player.playing ? "Pause" : "Play";
    }
    requestAnimationFrame(() => this.follow());
  }

  press(id) {
    const pressed = byId(id).getAttribute("aria-pressed") !== "true";
    byId(id).setAttribute("aria-pressed", String(pressed));
    return pressed;
  }

  act(id) {
    const { player } = this;
    if (id === "view") {
      this.press("view");
      this.draw();
    } else if (!player) return;
    else if (id === "play") player.playing ? player.pause() : player.play();
    else if (id === "compare") player.compare(this.press("compare"));
    else if (id === "loop") {
      const place = player.position();
      const region = player.loop || [place, Math.min(player.length, place + 4 * player.rate)];
      this.region(region, !player.looping);
    } else if (id === "loop-from" || id === "loop-to") {
      const [from, to] = player.loop || [0, player.length];
      const place = player.position();
      const region = id === "loop-from" ? [place, to > place ? to : player.length] : [from < place ? from : 0, place];
      this.region(region, true);
    }
  }

  listen() {
    for (const id of ["play", "compare", "loop", "loop-from", "loop-to", "view"]) {
      byId(id).addEventListener("click", () => this.act(id));
    }
    byId("close").addEventListener("click", () => this.close());
    byId("seek").addEventListener("input", (event) => this.player?.seek(event.target.value * this.player.rate));
    byId("zip").addEventListener("click", () => this.take(`/api/jobs/${this.job.id}/zip?format=${byId("format").value}`));
    byId("container").addEventListener("click", () => this.take(`/api/jobs/${this.job.id}/stem.mp4`));
    byId("format").addEventListener("change", () => {
      for (const link of byId("tracks").querySelectorAll("a")) link.href = this.path(link.textContent);
    });
    window.addEventListener("resize", () => this.job && this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.job && this.draw());
    window.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.job || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target.matches("select, input:not([type=range])")) return;
    const slides = target.matches("input[type=range]");
    if (event.key === " " && target.matches("button, a")) return; // it acts on what has the focus
    const keys = { " ": "play", a: "compare", l: "loop", "[": "loop-from", "]": "loop-to", v: "view" };
    const id = keys[event.key.toLowerCase()];
    const number = Number(event.key);
    const row = byId("tracks").children[this.chosen];
    if (id) this.act(id);
    else if (number >= 1 && number <= byId("tracks").children.length) {
      byId("tracks").children[number - 1].querySelector("a").focus();
    } else if (event.key.toLowerCase() === "m") row.querySelector(".mute").click();
    else if (event.key.toLowerCase() === "s") row.querySelector(".solo").click();
    else if (!slides && this.player && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      const way = event.key === "ArrowLeft" ? -STEP : STEP;
      this.player.seek(this.player.position() + way * this.player.rate);
    } else return;
    event.preventDefault();
  }
}
