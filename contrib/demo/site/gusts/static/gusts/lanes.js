// SPDX-License-Identifier: MIT
// Three strips that show round trips over the last half minute, and the probes that measure them.
"use strict";

const Lanes = (() => {
  const SPAN_MS = 30000, LEAST_MS = 0.1, MOST_MS = 20000;
  const lanes = {};
  const shades = []; // [from, until] of each time Django was blocked

  for (const canvas of document.querySelectorAll("canvas[data-lane]")) {
    const name = canvas.dataset.lane;
    lanes[name] = {
      canvas, context: canvas.getContext("2d"), samples: [], pending: null,
      now: document.getElementById("now-" + name),
    };
  }

  function text(ms) {
    if (ms < 9.95) {
      return ms.toFixed(1) + " ms";
    }
    return ms < 1000 ? Math.round(ms) + " ms" : (ms / 1000).toFixed(1) + " s";
  }

  // A round trip begins; it counts as growing until it ends. False when one is under way.
  function begin(name) {
    if (lanes[name].pending !== null) {
      return false;
    }
    lanes[name].pending = performance.now();
    return true;
  }

  function end(name, ok) {
    const lane = lanes[name], now = performance.now();
    if (lane.pending === null) {
      return;
    }
    if (ok) {
      lane.samples.push([lane.pending, now - lane.pending]);
    }
    lane.pending = null;
  }

  function shade(seconds) {
    const now = performance.now();
    shades.push([now, now + seconds * 1000]);
  }

  function median(samples) {
    const recent = samples.slice(-9).map((s) => s[1]).sort((a, b) => a - b);
    return recent.length ? recent[recent.length >> 1] : null;
  }

  function label(lane, now) {
    const waiting = lane.pending !== null && now - lane.pending > 400;
    lane.now.classList.toggle("waiting", waiting);
    if (waiting) {
      lane.now.textContent = "… " + text(now - lane.pending);
    } else {
      const value = median(lane.samples);
      lane.now.textContent = value === null ? "–" : text(value);
    }
  }

  function draw(lane, now, style) {
    const { canvas, context } = lane;
    const box = canvas.getBoundingClientRect(), scale = Math.min(devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(box.width * scale)) {
      canvas.width = Math.round(box.width * scale);
      canvas.height = Math.round(box.height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, box.width, box.height);
    const right = box.width - 46;
    const x = (at) => right * (1 - (now - at) / SPAN_MS);
    const least = Math.log(LEAST_MS), range = Math.log(MOST_MS) - least;
    const y = (ms) => box.height - 4 - (box.height - 8) *
      (Math.log(Math.min(Math.max(ms, LEAST_MS), MOST_MS)) - least) / range;

    context.fillStyle = style.shade;
    for (const [from, until] of shades) {
      context.fillRect(x(from), 0, x(Math.min(until, now)) - x(from), box.height);
    }
    context.strokeStyle = style.line;
    context.fillStyle = style.soft;
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "right";
    context.lineWidth = 1;
    for (const [ms, name] of [[1, "1 ms"], [100, "100 ms"], [10000, "10 s"]]) {
      context.beginPath();
      context.moveTo(0, y(ms));
      context.lineTo(right, y(ms));
      context.stroke();
      context.fillText(name, box.width - 2, y(ms) + 3);
    }
    const colour = getComputedStyle(canvas).getPropertyValue("--own").trim();
    const points = lane.samples.map(([at, ms]) => [x(at + ms), y(ms)]);
    if (lane.pending !== null && now - lane.pending > 400) {
      points.push([x(lane.pending), points.length ? points[points.length - 1][1] : y(1)]);
      points.push([x(now), y(now - lane.pending)]);
    }
    const shown = points.filter(([px]) => px > -20);
    if (!shown.length) {
      return;
    }
    context.beginPath();
    shown.forEach(([px, py], i) => i ? context.lineTo(px, py) : context.moveTo(px, py));
    context.strokeStyle = colour;
    context.lineWidth = 1.8;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(shown[shown.length - 1][0], box.height);
    context.lineTo(shown[0][0], box.height);
    context.closePath();
    context.globalAlpha = 0.12;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }

  function frame() {
    const now = performance.now();
    const own = getComputedStyle(document.documentElement);
    const style = { shade: own.getPropertyValue("--shade"), line: own.getPropertyValue("--line"),
                    soft: own.getPropertyValue("--soft") };
    for (const lane of Object.values(lanes)) {
      while (lane.samples.length && lane.samples[0][0] < now - SPAN_MS - 30000) {
        lane.samples.shift();
      }
      label(lane, now);
      draw(lane, now, style);
    }
    while (shades.length && shades[0][1] < now - SPAN_MS) {
      shades.shift();
    }
    setTimeout(() => requestAnimationFrame(frame), 60);
  }

  requestAnimationFrame(frame);

  // What a check of this page reads: the worst round trip that began since a moment.
  function worst(name, since) {
    const times = lanes[name].samples.filter(([at]) => at >= since).map(([, ms]) => ms);
    return { count: times.length, worst: times.length ? Math.max(...times) : null };
  }

  return { begin, end, shade, text, worst };
})();
