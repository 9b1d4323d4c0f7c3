// SPDX-License-Identifier: MIT
// The dust whirl at the head of the page: particles on rings of a cone that leans with the wind.
"use strict";

(() => {
  const canvas = document.getElementById("whirl");
  const context = canvas.getContext("2d");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const COUNT = 620;
  let colours, width, height, grains, visible = true;

  function measure() {
    const box = canvas.getBoundingClientRect();
    const scale = Math.min(devicePixelRatio || 1, 2);
    width = box.width;
    height = box.height;
    canvas.width = width * scale;
    canvas.height = height * scale;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.documentElement);
    colours = ["--c", "--django", "--ws"].map((name) => style.getPropertyValue(name).trim());
  }

  // A grain keeps its height in the cone (0 at the foot), its angle and its distance from the ring.
  function grain() {
    const rise = Math.pow(Math.random(), 0.8);
    return {
      rise,
      angle: Math.random() * Math.PI * 2,
      off: 0.72 + Math.pow(Math.random(), 2) * 0.6,
      speed: 0.5 + Math.random() * 0.5,
      size: 0.7 + Math.random() * 1.5,
      colour: Math.min(2, Math.floor((1 - rise) * 2.4 + Math.random() * 0.7)),
    };
  }

  function draw(now) {
    context.clearRect(0, 0, width, height);
    const t = now / 1000;
    const foot = height * 0.95, top = height * 0.14;
    for (const g of grains) {
      g.angle += (0.055 - 0.036 * g.rise) * g.speed;
      const y = foot - (foot - top) * g.rise;
      const sway = Math.sin(t * 0.6 + g.rise * 3.2) * 16 * g.rise + Math.sin(t * 0.23) * 14 * g.rise;
      const ring = (10 + Math.pow(g.rise, 1.35) * width * 0.27) * g.off;
      const x = width * 0.56 + sway + Math.cos(g.angle) * ring;
      const depth = Math.sin(g.angle);
      context.globalAlpha = 0.16 + 0.52 * (depth + 1) / 2;
      context.fillStyle = colours[g.colour];
      context.beginPath();
      context.arc(x, y + depth * ring * 0.2, g.size * (1 + depth * 0.25), 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  function frame(now) {
    if (visible) {
      draw(now);
    }
    if (!still.matches) {
      requestAnimationFrame(frame);
    }
  }

  measure();
  grains = Array.from({ length: COUNT }, grain);
  addEventListener("resize", () => { measure(); draw(performance.now()); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
  new IntersectionObserver(([entry]) => { visible = entry.isIntersecting; }).observe(canvas);
  requestAnimationFrame(frame);
})();
