"use strict";
// The report works without a network and without libraries: one table that is filtered and sorted,
// pictures whose runs can be dimmed, and players of which one plays at a time.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const shown = (value, sign) =>
    value === null ? "–" : ((sign && value > 0 ? "+" : "") + value.toFixed(2)).replace("-", "−");
  const has = (text, words) =>
    words.toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));

  // Runs that are switched off fade in every picture and leave the table of songs; pointing at one
  // that is on puts the others behind it.
  const off = new Set();
  const pointed = document.head.appendChild(document.createElement("style"));
  for (const chip of document.querySelectorAll(".chips button")) {
    chip.addEventListener("click", () => {
      const run = chip.dataset.run;
      if (off.has(run)) off.delete(run);
      else off.add(run);
      chip.setAttribute("aria-pressed", String(!off.has(run)));
      for (const part of document.querySelectorAll(`.run-${run}`))
        part.classList.toggle("dimmed", off.has(run));
      pointed.textContent = "";
      if (data.songs.length) render();
    });
    chip.addEventListener("mouseenter", () => {
      if (!off.has(chip.dataset.run))
        pointed.textContent = `g.run:not(.run-${chip.dataset.run}) { opacity: 0.15; }`;
    });
    chip.addEventListener("mouseleave", () => (pointed.textContent = ""));
  }

  // The table of songs.
  const table = document.querySelector("#songs table");
  const field = (name) => document.getElementById(name);
  let order = { column: -1, down: false };

  function values(song) {
    const { source, metric, show } = chosen();
    const row = data.scores[source][metric].map((column) => column[song]);
    if (show !== "gain") return row;
    const base = row[data.baseline];
    return row.map((value) => (value === null || base === null ? null : value - base));
  }
  function chosen() {
    return {
      source: field("source").value, metric: field("metric").value, show: field("show").value,
    };
  }
  function median(numbers) {
    const sorted = numbers.filter((value) => value !== null).sort((a, b) => a - b);
    if (!sorted.length) return null;
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
  function render() {
    const gain = field("show").value === "gain";
    const runs = data.runs.map((run, place) => place).filter((place) =>
      !off.has(String(data.runs[place].colour)) && has(data.runs[place].name, field("run-filter").value));
    let rows = data.songs.map((name, place) => ({ name, values: values(place) }))
      .filter((row) => has(row.name, field("song-filter").value));
    rows = rows.filter((row) => runs.some((run) => row.values[run] !== null));
    const { column, down } = order;
    rows.sort((a, b) => {
      if (column < 0) return (down ? -1 : 1) * a.name.localeCompare(b.name);
      const [x, y] = [a.values[column], b.values[column]];
      if (x === null || y === null) return (x === null) - (y === null);
      return (down ? -1 : 1) * (x - y);
    });
    const all = rows.flatMap((row) => runs.map((run) => row.values[run])).filter((v) => v !== null);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const furthest = Math.max(Math.abs(low), Math.abs(high)) || 1;

    const head = make("tr");
    for (const place of [-1, ...runs]) {
      const cell = make("th", undefined, { scope: "col" });
      const button = make("button", undefined, { type: "button" });
      if (place >= 0) {
        const swatch = make("span", undefined, { class: "swatch" });
        swatch.style.background = data.runs[place].paint;
        button.append(swatch);
      }
      button.append(place < 0 ? "song" : data.runs[place].name);
      button.dataset.column = place;
      if (place === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      cell.append(button);
      head.append(cell);
    }
    const body = rows.map((row) => {
      const line = make("tr");
      line.append(make("th", row.name, { scope: "row", title: row.name }));
      const best = Math.max(...runs.map((run) => row.values[run] ?? -Infinity));
      for (const run of runs) {
        const value = row.values[run];
        const cell = make("td", shown(value, gain));
        if (value !== null && gain) {
          const colour = value > 0 ? "--up" : "--down";
          cell.style.background = `rgba(var(${colour}), ${(0.5 * Math.abs(value)) / furthest})`;
        } else if (value !== null && high > low) {
          cell.style.background = `rgba(var(--level), ${(0.4 * (value - low)) / (high - low)})`;
        }
        if (runs.length > 1 && value === best && !gain) cell.className = "best";
        line.append(cell);
      }
      return line;
    });
    const foot = make("tr");
    foot.append(make("th", "median of these", { scope: "row" }));
    for (const run of runs)
      foot.append(make("td", shown(median(rows.map((row) => row.values[run])), gain)));

    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...body);
    table.tFoot.replaceChildren(foot);
    field("count").textContent = `${rows.length} of ${data.songs.length} songs`;
    for (const song of document.querySelectorAll(".song")) {
      const fits = has(song.dataset.song, field("song-filter").value);
      song.hidden = !fits;
    }
  }
  if (data.songs.length) {
    for (const name of ["song-filter", "run-filter"]) field(name).addEventListener("input", render);
    for (const name of ["source", "metric", "show"]) field(name).addEventListener("change", render);
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const column = Number(button.dataset.column);
      const down = column === order.column ? !order.down : column >= 0;
      order = { column, down };
      render();
      table.tHead.querySelector(`button[data-column="${column}"]`).focus();
    });
    render();
  }

  // Players: one at a time; takes of the same song go on where the one before was stopped.
  let playing = null;
  const places = new Map();
  for (const take of document.querySelectorAll(".take")) {
    const [audio, button, slider] = ["audio", "button", "input"].map((n) => take.querySelector(n));
    const [view, head] = [take.querySelector(".view"), take.querySelector(".head")];
    const song = take.closest(".song");
    const length = () => (Number.isFinite(audio.duration) ? audio.duration : Number(take.dataset.seconds));
    const follow = () => {
      const share = audio.currentTime / length();
      slider.value = share;
      head.style.left = `${100 * share}%`;
      head.style.display = "block";
      places.set(song, audio.currentTime);
      if (!audio.paused) requestAnimationFrame(follow);
    };
    const seek = (share) => {
      audio.currentTime = share * length();
      follow();
    };
    const start = () => {
      if (playing && playing !== audio) {
        playing.pause();
        places.set(playing.closest(".song"), playing.currentTime);
      }
      playing = audio;
      const place = places.get(song) ?? 0;
      if (audio.ended || place >= length() - 0.05) audio.currentTime = 0;
      else if (Math.abs(audio.currentTime - place) > 0.01) audio.currentTime = place;
      audio.play().catch((error) => {
        button.textContent = "!";
        button.title = `cannot be played here: ${error.message}`;
      });
    };
    button.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
    slider.addEventListener("input", () => seek(Number(slider.value)));
    view.addEventListener("click", (event) => {
      const box = view.getBoundingClientRect();
      places.set(song, ((event.clientX - box.left) / box.width) * length());
      if (audio.paused) start();
      else seek((event.clientX - box.left) / box.width);
    });
    audio.addEventListener("play", () => {
      button.textContent = "❚❚";
      button.classList.add("on");
      follow();
    });
    for (const name of ["pause", "ended"])
      audio.addEventListener(name, () => {
        button.textContent = "▶";
        button.classList.remove("on");
      });
  }
})();
