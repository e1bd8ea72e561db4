// Stems played together, exact to the sample: all through one AudioContext, each piece of every stem
// started at one instant. Pieces of a few seconds are fetched as they are needed, so that a song of
// any length takes the same memory.

const PIECE = 4; // seconds
const AHEAD = 3; // seconds that are scheduled before they are heard
const KEPT = 16; // pieces of each stem in memory
const LEAD = 0.08; // seconds from a command to its sound
const RAMP = 0.005; // seconds, so that gains do not click
export const MIXTURE = "mixture";

export class Player {
  // job: of the API. context: an AudioContext (or, for tests, an OfflineAudioContext) at the song's rate.
  constructor(job, context, onError = () => {}) {
    this.job = job;
    this.rate = job.facts.sample_rate;
    this.length = job.facts.samples;
    this.context = context;
    this.onError = onError;
    this.names = [...job.sources, MIXTURE];
    this.original = false;
    this.loop = null; // [first sample, one past the last]
    this.looping = false;
    this.playing = false;
    this.place = 0; // sample, where nothing plays
    this.pieces = []; // scheduled: {when, start, count, sources}
    this.cache = new Map();
    this.turn = 0;
    this.stems = {};
    for (const name of this.names) {
      const gain = context.createGain();
      const pan = context.createStereoPanner();
      gain.connect(pan).connect(context.destination);
      this.stems[name] = { gain, pan, mute: false, solo: false, decibels: 0 };
    }
    this.apply();
  }

  // The loudness of a stem as it is now: 0 where it is not heard.
  level(name) {
    const stem = this.stems[name];
    if (this.original || name === MIXTURE) return this.original && name === MIXTURE ? 1 : 0;
    const alone = this.job.sources.some((each) => this.stems[each].solo);
    return (alone ? stem.solo : !stem.mute) ? 10 ** (stem.decibels / 20) : 0;
  }

  apply() {
    for (const name of this.names) {
      const { gain } = this.stems[name];
      if (this.playing) gain.gain.setTargetAtTime(this.level(name), this.context.currentTime, RAMP);
      else gain.gain.value = this.level(name);
    }
  }

  set(name, values) {
    Object.assign(this.stems[name], values);
    if (values.panning !== undefined) this.stems[name].pan.pan.value = values.panning;
    this.apply();
  }

  compare(original) {
    this.original = original;
    this.apply();
  }

  // The sample that is heard now.
  position() {
    if (!this.playing) return this.place;
    const now = this.context.currentTime;
    let found = this.place;
    for (const piece of this.pieces) {
      if (piece.when > now) break;
      found = piece.start + Math.min(piece.count, Math.floor((now - piece.when) * this.rate));
    }
    return Math.min(found, this.length);
  }

  async play() {
    if (this.playing) return;
    if (this.place >= this.length) this.place = 0;
    await this.context.resume?.();
    this.playing = true;
    this.next = { when: this.context.currentTime + LEAD, start: this.place };
    this.apply();
    this.timer = setInterval(() => this.schedule(), 150);
    await this.schedule();
  }

  pause() {
    this.place = this.position();
    this.stop();
  }

  stop() {
    this.playing = false;
    this.turn += 1;
    clearInterval(this.timer);
    for (const piece of this.pieces) for (const source of piece.sources) source.stop();
    this.pieces = [];
  }

  async seek(sample) {
    const playing = this.playing;
    this.stop();
    this.place = Math.max(0, Math.min(this.length, Math.round(sample)));
    if (playing) await this.play();
  }

  setLoop(region, looping) {
    this.loop = region;
    this.looping = looping && region !== null && region[1] > region[0];
    if (this.playing) this.seek(this.position());
  }

  // Where the piece that begins at a sample ends.
  end(start) {
    const size = PIECE * this.rate;
    const own = (Math.floor(start / size) + 1) * size;
    const looped = this.looping && start < this.loop[1] ? this.loop[1] : this.length;
    return Math.min(own, looped, this.length);
  }

  after(end) {
    return this.looping && end === this.loop[1] ? this.loop[0] : end;
  }

  // Schedule pieces until AHEAD seconds are there, or the song ends.
  async schedule() {
    if (this.busy) return;
    this.busy = true;
    const { turn } = this;
    try {
      while (turn === this.turn && this.playing) {
        const now = this.context.currentTime;
        this.pieces = this.pieces.filter((piece) => piece.when + piece.count / this.rate > now - 1);
        const { start } = this.next;
        if (start >= this.length) {
          if (now >= this.next.when) this.finish();
          break;
        }
        if (this.next.when > now + AHEAD) break;
        const end = this.end(start);
        await this.add(start, end, turn);
      }
    } catch (error) {
      this.pause();
      this.onError(error);
    } finally {
      this.busy = false;
      if (turn !== this.turn && this.playing) this.schedule();
    }
  }

  async add(start, end, turn) {
    const buffers = await Promise.all(this.names.map((name) => this.buffer(name, start)));
    if (turn !== this.turn || !this.playing) return;
    const late = this.context.currentTime + 0.02;
    // Exact to the sample, and on one clock for all stems.
    const when = Math.round(Math.max(this.next.when, late) * this.rate) / this.rate;
    const offset = (start % (PIECE * this.rate)) / this.rate;
    const sources = this.names.map((name, place) => {
      const source = this.context.createBufferSource();
      source.buffer = buffers[place];
      source.connect(this.stems[name].gain);
      source.start(when, offset, (end - start) / this.rate);
      return source;
    });
    this.pieces.push({ when, start, count: end - start, sources });
    this.next = { when: when + (end - start) / this.rate, start: this.after(end) };
  }

  finish() {
    this.stop();
    this.place = this.length;
  }

  // The piece of a stem that holds a sample, as an AudioBuffer.
  buffer(name, sample) {
    const index = Math.floor(sample / (PIECE * this.rate));
    const key = `${name} ${index}`;
    let found = this.cache.get(key);
    if (!found) {
      found = this.fetch(name, index);
      found.catch(() => this.cache.delete(key));
    }
    this.cache.delete(key);
    this.cache.set(key, found); // the latest last
    while (this.cache.size > KEPT * this.names.length) this.cache.delete(this.cache.keys().next().value);
    return found;
  }

  async fetch(name, index) {
    const start = index * PIECE * this.rate;
    const stop = Math.min(this.length, start + PIECE * this.rate);
    const path = `/api/jobs/${this.job.id}/stems/${encodeURIComponent(name)}/samples`;
    const answer = await fetch(`${path}?start=${start}&stop=${stop}`);
    if (!answer.ok) throw new Error(`${name} cannot be read: the job may have been deleted`);
    const numbers = new Float32Array(await answer.arrayBuffer());
    const { channels } = this.job.facts;
    const buffer = this.context.createBuffer(channels, stop - start, this.rate);
    for (let channel = 0; channel < channels; channel += 1) {
      const data = buffer.getChannelData(channel);
      for (let place = 0; place < data.length; place += 1) data[place] = numbers[place * channels + channel];
    }
    return buffer;
  }

  close() {
    this.stop();
    this.cache.clear();
    this.context.close?.();
  }
}
