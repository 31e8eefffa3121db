// The moving code of the wallet: renewed with its step, kept while it is good where nobody answers, and on again by itself.
// Without this file the button of the page does the same.
(function () {
  "use strict";
  var form = document.getElementById("code-form"), offline = document.getElementById("offline"), busy = document.getElementById("busy");
  if (!form || !window.fetch || !window.AbortController) return;
  var TIMEOUT = 8000, SOONEST = 1000, LATEST = 8000;
  var steps = 0, good = 0, wait = SOONEST, asking = false, once_more = false, over = false, next = 0, lock = null;

  function card() { return document.getElementById("card"); }
  function now() { return Date.now(); }

  // the clock of the page does not count: the server says how long is left
  function read() {
    var shown = card(), left = shown.dataset.step;
    over = shown.dataset.condition !== "usable";
    steps = left === undefined ? 0 : now() + Number(left);
    good = left === undefined ? 0 : now() + Number(shown.dataset.good);
    next = steps;
    shown.querySelectorAll(".ring, [data-counted]").forEach(function (each) { each.removeAttribute("hidden"); });
    count();
  }

  function count() {
    var shown = card(), left = Math.max(0, steps - now());
    var ring = shown.querySelector(".fg"), text = shown.querySelector("[data-left]");
    if (text) text.textContent = String(Math.ceil(left / 1000));
    if (ring) ring.setAttribute("stroke-dashoffset", String(56.5 * (1 - left / 15000)));
  }

  function take(html) {
    var before = card(), focused = before.contains(document.activeElement);
    var made = new DOMParser().parseFromString(html, "text/html").getElementById("card");
    if (!made) return false;
    before.replaceWith(document.importNode(made, true));
    read();
    wait = SOONEST;
    say(null);
    if (over) {
      document.querySelectorAll("[data-usable]").forEach(function (each) { each.hidden = true; });
      var said = card().querySelector(".big-answer") || card();
      said.tabIndex = -1;
      said.focus();
    } else if (focused) {
      var button = card().querySelector("button");
      if (button) button.focus();
    }
    return true;
  }

  function say(what) {
    busy.hidden = what !== "busy";
    offline.hidden = what === null || what === "busy";
    offline.querySelector("[data-kept]").hidden = what !== "kept";
    offline.querySelector("[data-gone]").hidden = what !== "gone";
  }

  function gone() {
    good = 0;
    card().querySelectorAll(".tear, .voucher-code").forEach(function (each) { each.remove(); });
  }

  // once in ten seconds at most: a page that is refused again and again stands still, and shows no code
  function again() {
    var before = now();
    try { before = Number(sessionStorage.getItem("wallet-again")); sessionStorage.setItem("wallet-again", String(now())); } catch (e) { /* not kept */ }
    over = true;
    gone();
    if (now() - before > 10000) location.reload();
  }

  function ask() {
    if (asking || over) return;
    asking = true;
    var stop = new AbortController(), timer = setTimeout(function () { stop.abort(); }, TIMEOUT);
    fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual", cache: "no-store", signal: stop.signal,
      headers: { accept: "text/html", "hx-request": "true", "x-csrf-token": form.elements._csrf.value },
    }).then(function (answer) {
      if (answer.ok) return answer.text().then(function (html) { if (!take(html)) again(); });
      if (answer.status === 429 || answer.status >= 500) { later(Number(answer.headers.get("retry-after")) * 1000, "busy"); return; }
      again();  // signed out meanwhile, or the page is out of date
    }).catch(function () { later(0); }).then(function () {
      clearTimeout(timer);
      asking = false;
      if (once_more) next = 0;
      once_more = false;
    });
  }

  function later(least, why) {
    next = now() + Math.max(wait, least || 0);
    wait = Math.min(wait * 2, LATEST);
    say(why || (good > now() ? "kept" : "gone"));
  }

  function tick() {
    if (over || document.hidden) return;
    count();
    if (good && now() >= good) {
      // no till takes it any more
      gone();
      if (!offline.hidden) say("gone");
    }
    if (now() >= next) ask();
  }

  function awake() {
    if (over || document.hidden || !navigator.wakeLock) return;
    navigator.wakeLock.request("screen").then(function (held) {
      if (over || document.hidden) held.release(); else lock = held;
    }).catch(function () { /* the screen goes off as it does */ });
  }

  form.addEventListener("submit", function (event) { event.preventDefault(); next = 0; wait = SOONEST; ask(); });
  form.addEventListener("change", function () { next = 0; once_more = asking; ask(); });
  window.addEventListener("online", function () { next = 0; wait = SOONEST; tick(); });
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) { if (lock) lock.release().catch(function () {}); lock = null; return; }
    tick();
    awake();
  });
  read();
  awake();
  setInterval(tick, 250);
  tick();
})();
