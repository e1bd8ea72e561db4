// Waveforms and spectrograms of an overview, on canvases.

function numbers(text, kind) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new kind(bytes.buffer);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Drawing {
  constructor(overview) {
    this.overview = overview;
    this.stems = {};
    for (const [name, stem] of Object.entries(overview.stems)) {
      this.stems[name] = {
        peaks: numbers(stem.peaks, Int8Array),
        spectrogram: numbers(stem.spectrogram, Uint8Array),
      };
    }
  }

  draw(canvas, name, spectrogram) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    const pen = canvas.getContext("2d");
    if (spectrogram) this.spectrogram(pen, this.stems[name].spectrogram);
    else this.waveform(pen, this.stems[name].peaks);
  }

  waveform(pen, peaks) {
    const { width, height } = pen.canvas;
    const { columns } = this.overview;
    pen.fillStyle = colour("--wave");
    for (let x = 0; x < width; x += 1) {
      const first = Math.floor((x * columns) / width);
      const last = Math.max(first + 1, Math.floor(((x + 1) * columns) / width));
      let [low, high] = [0, 0];
      for (let column = first; column < last; column += 1) {
        low = Math.min(low, peaks[2 * column]);
        high = Math.max(high, peaks[2 * column + 1]);
      }
      const top = (height * (127 - high)) / 254;
      pen.fillRect(x, top, 1, Math.max(1, (height * (high - low)) / 254));
    }
  }

  spectrogram(pen, levels) {
    const { frames, bands } = this.overview;
    const picture = new OffscreenCanvas(frames, bands);
    const inner = picture.getContext("2d");
    const image = inner.createImageData(frames, bands);
    for (let frame = 0; frame < frames; frame += 1) {
      for (let band = 0; band < bands; band += 1) {
        const level = levels[frame * bands + band] / 255;
        const place = 4 * ((bands - 1 - band) * frames + frame);
        image.data[place] = 255 * Math.min(1, 2.2 * level * level);
        image.data[place + 1] = 255 * Math.max(0, 1.6 * level - 0.6);
        image.data[place + 2] = 255 * Math.min(1, 0.15 + 0.9 * level * (1 - level) * 2);
        image.data[place + 3] = 255;
      }
    }
    inner.putImageData(image, 0, 0);
    pen.drawImage(picture, 0, 0, pen.canvas.width, pen.canvas.height);
  }
}
