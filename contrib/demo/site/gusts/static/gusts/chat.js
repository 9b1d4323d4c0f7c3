// SPDX-License-Identifier: MIT
// The chat: one WebSocket, which also measures its own round trip twice a second.
"use strict";

const Chat = (() => {
  const talk = document.getElementById("talk");
  const state = document.getElementById("chat-state");
  const nameField = document.getElementById("say-name");
  const textField = document.getElementById("say-text");
  const NAMES = ["Zephyr", "Mistral", "Bora", "Sirocco", "Levanter", "Pampero", "Chinook", "Bise"];
  let socket = null, me = null, backoff = 300, away = false;

  nameField.value = sessionStorage.getItem("name") ||
    NAMES[Math.floor(Math.random() * NAMES.length)];

  function add(className, name, text) {
    const line = document.createElement("li");
    line.className = className;
    if (name) {
      const who = document.createElement("b");
      who.textContent = name;
      line.append(who);
    }
    line.append(text);
    const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
    talk.append(line);
    while (talk.children.length > 200) {
      talk.firstChild.remove();
    }
    if (atEnd || className === "mine") {
      talk.scrollTop = talk.scrollHeight;
    }
  }

  function members(count) {
    state.textContent = count === 1 ? "you alone; open a second tab" : count + " people here";
  }

  const receive = {
    welcome(message) {
      me = message.you;
      talk.replaceChildren();
      for (const old of message.history) {
        receive.said(old);
      }
      members(message.members);
    },
    members(message) {
      members(message.count);
    },
    said(message) {
      add(message.from === me ? "mine" : "theirs", message.name, message.text);
    },
    pong() {
      Lanes.end("ws", true);
    },
  };

  function open() {
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    socket = new WebSocket(scheme + location.host + "/chat");
    socket.onopen = () => { backoff = 300; };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (receive[message.type]) {
        receive[message.type](message);
      }
    };
    socket.onclose = () => {
      Lanes.end("ws", false);
      if (away) {
        return;
      }
      state.textContent = "offline; trying again";
      setTimeout(open, backoff);
      backoff = Math.min(backoff * 2, 10000);
    };
  }

  function send(message) {
    if (socket && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(message));
      return true;
    }
    return false;
  }

  setInterval(() => {
    if (socket && socket.readyState === WebSocket.OPEN && Lanes.begin("ws")) {
      send({ type: "ping" });
    }
  }, 500);

  document.getElementById("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = nameField.value.trim() || "somebody", text = textField.value.trim();
    sessionStorage.setItem("name", name);
    if (text && send({ type: "say", name, text })) {
      textField.value = "";
    }
  });

  // A page kept for the back button would keep its place in the chat, too.
  addEventListener("pagehide", () => {
    away = true;
    socket.close();
  });
  addEventListener("pageshow", (event) => {
    away = false;
    if (event.persisted) {
      open();
    }
  });

  open();
  return { send };
})();
