// SPDX-License-Identifier: MIT
// The rest of the page: probes of Django and C, the facts, the button.
"use strict";

(() => {
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function probe(name, url, every, use) {
    for (;;) {
      Lanes.begin(name);
      try {
        const response = await fetch(url, { cache: "no-store" });
        const body = await response.text();
        Lanes.end(name, response.ok);
        if (response.ok && use) {
          use(body);
        }
      } catch {
        Lanes.end(name, false);
      }
      await pause(every);
    }
  }

  function duration(ms) {
    const s = Math.floor(ms / 1000), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
  }

  function facts(body) {
    const seen = JSON.parse(body);
    const shown = {
      answers: seen.answers.toLocaleString("en"),
      uptime: duration(seen.uptime_ms),
      members: String(seen.members),
      memory: (seen.memory_bytes / 1048576).toFixed(1) + " MB",
    };
    for (const [name, text] of Object.entries(shown)) {
      document.querySelector(`[data-fact=${name}]`).textContent = text;
    }
    document.getElementById("raw").textContent = JSON.stringify(seen, null, 2);
  }

  const form = document.getElementById("block");
  const button = form.querySelector("button");

  async function countDown(seconds) {
    const end = performance.now() + seconds * 1000;
    button.disabled = true;
    while (performance.now() < end) {
      const left = Math.ceil((end - performance.now()) / 1000);
      button.textContent = `Blocked, ${left} s left`;
      await pause(100);
    }
    button.disabled = false;
    button.textContent = "Block Django";
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "X-CSRFToken": token },
      body: new URLSearchParams(new FormData(form)),
    });
    if (response.ok) {
      const { seconds } = await response.json();
      Lanes.shade(seconds);
      countDown(seconds);
    }
  });

  document.getElementById("upload-file").addEventListener("change", (event) => {
    const file = event.target.files[0];
    document.getElementById("pick-text").textContent =
      file ? `${file.name}, ${file.size.toLocaleString("en")} bytes` : "Choose a file";
  });

  probe("django", "/breath/", 500);
  probe("c", "/api/status", 250, facts);
})();
