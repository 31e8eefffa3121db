// A till. The pages work without this: here the camera is added, and an answer that is lost is asked for again.
// A confirmation carries its own key, so that it may be sent as often as it takes.
(function () {
  "use strict";
  var LOOK_MS = 8000, AGAIN_MS = [1000, 2000, 4000, 8000, 15000], FRAME_MS = 120, WIDEST = 800, BETWEEN_MS = 300, SHORTEST = 6;
  var busy = false, stream = null, wanted = false, wake = null;

  function find(name) { return document.querySelector("[data-" + name + "]"); }
  function show(name, on) { var el = find(name); if (el) el.hidden = !on; }
  function say(state) { ["sending", "no-answer", "given-up"].forEach(function (each) { show(each, each === state); }); }
  function pause(ms) { return new Promise(function (done) { wake = done; setTimeout(done, ms); }); }
  addEventListener("online", function () { if (wake) wake(); });

  function ask(address, body) {
    var cut = new AbortController(), timer = setTimeout(function () { cut.abort(); }, LOOK_MS);
    return fetch(address, { method: body ? "POST" : "GET", body: body, headers: { accept: "text/html" }, signal: cut.signal, cache: "no-store" })
      .then(function (answer) {
        if (answer.status >= 500) throw new Error("no answer");
        return answer.text().then(function (text) { return { url: answer.url, led: answer.redirected, text: text }; });
      })
      .finally(function () { clearTimeout(timer); });
  }

  // as often as it takes, each time with the very same words
  async function insist(address, body, tries) {
    for (var place = 0; ; place++) {
      try { return await ask(address, body); } catch (lost) {
        if (place >= tries) throw lost;
        say("no-answer");
        await pause(AGAIN_MS[Math.min(place, AGAIN_MS.length - 1)]);
      }
    }
  }

  function put(page, sent) {
    var read = new DOMParser().parseFromString(page.text, "text/html"), fresh = read.querySelector("[data-till]");
    if (!fresh) { location.assign(page.led ? page.url : "/redeem"); return; }
    document.title = read.title;
    find("till").replaceWith(document.adoptNode(fresh));
    // the way back leads to the scanner, and never sends anything again
    if (sent && history.state !== "answer") history.pushState("answer", "");
    scrollTo(0, 0);
    begin(false);
    var place = document.querySelector(".error-summary, [aria-invalid=true]") || document.getElementById("main");
    if (!document.activeElement || document.activeElement === document.body) place.focus();
  }

  async function exchange(address, body, tries, controls) {
    if (busy) return;
    busy = true;
    controls.forEach(function (each) { each.setAttribute("aria-disabled", "true"); });
    var late = setTimeout(function () { if (find("no-answer") && find("no-answer").hidden) say("sending"); }, 400);
    try {
      var page = await insist(address, body, tries);
      clearTimeout(late);
      busy = false;
      put(page, Boolean(body));
    } catch (lost) {
      clearTimeout(late);
      busy = false;
      controls.forEach(function (each) { each.removeAttribute("aria-disabled"); });
      say("given-up");
      find("given-up").scrollIntoView({ block: "nearest" });
    }
  }

  document.addEventListener("submit", function (event) {
    var form = event.target.closest("form[data-send]");
    if (!form) return;
    event.preventDefault();
    halt();
    var confirming = form.dataset.send === "confirm";
    exchange(form.action, new URLSearchParams(new FormData(form)), confirming ? 5 : 1, Array.from(form.elements).filter(function (each) { return each.type === "submit"; }));
  });
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-page]");
    if (!link || event.metaKey || event.ctrlKey) return;
    // a page that was not opened as the scanner's may not use the camera: the scanner is opened anew
    if (location.pathname !== new URL(link.href).pathname) return;
    event.preventDefault();
    if (history.state === "answer") history.back();
    else exchange(link.href, null, 1, [link]);
  });
  addEventListener("popstate", function () { halt(); exchange(location.pathname, null, 1, []); });
  // a scanner types like a keyboard, also when nothing is chosen; where an answer stands, what comes at its speed is the next card
  var typed = "", last = 0;
  document.addEventListener("keydown", function (event) {
    var field = find("wedge"), form = find("scan"), at = document.activeElement;
    if (!form || event.ctrlKey || event.metaKey || event.altKey || (at && at.matches("input, textarea, select"))) return;
    if (event.timeStamp - last > BETWEEN_MS) typed = "";
    last = event.timeStamp;
    // a space within a code presses no button
    if (event.key === " " && typed) event.preventDefault();
    if (event.key === "Enter" && !field && typed.length >= SHORTEST) {
      event.preventDefault();
      form.elements.text.value = typed;
      typed = "";
      form.requestSubmit();
    } else if (event.key.length === 1) {
      if (!field) typed += event.key;
      else if (event.key !== " " || !at || !at.matches("button, a, summary")) field.focus();
    }
  });

  // ---- camera
  var detector = null, starting = false;

  async function reader() {
    if (detector) return detector;
    if ("BarcodeDetector" in window) {
      try {
        if ((await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
          var own = new BarcodeDetector({ formats: ["qr_code"] });
          detector = function (video) { return own.detect(video).then(function (found) { return found[0] && found[0].rawValue; }); };
          return detector;
        }
      } catch (e) { /* the other one then */ }
    }
    if (!window.jsQR) {
      await new Promise(function (done, failed) {
        var script = document.createElement("script");
        script.src = find("camera").dataset.reader;
        script.onload = done;
        script.onerror = failed;
        document.head.append(script);
      });
    }
    var canvas = document.createElement("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
    detector = async function (video) {
      var scale = Math.min(1, WIDEST / video.videoWidth);
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      var read = window.jsQR(context.getImageData(0, 0, canvas.width, canvas.height).data, canvas.width, canvas.height);
      return read && read.data;
    };
    return detector;
  }

  function seen(on) { show("video", on); show("start", !on); show("stop", on); if (!on) show("torch", false); }

  async function start() {
    wanted = true;
    show("no-camera", false);
    if (stream || starting) return;
    starting = true;
    try {
      var read = await reader();
      stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 } } });
      var video = find("video");
      if (!video || !wanted || document.hidden) { halt(); return; }
      video.srcObject = stream;
      seen(true);
      await video.play();
      var track = stream.getVideoTracks()[0], able = track.getCapabilities ? track.getCapabilities() : {};
      show("torch", Boolean(able.torch));
      track.addEventListener("ended", halt);
      watch(video, read, stream);
    } catch (e) {
      halt();
      wanted = false;
      show("no-camera", true);
    } finally {
      starting = false;
    }
  }

  async function watch(video, read, mine) {
    while (stream === mine && video.isConnected) {
      if (!busy && video.readyState >= 2) {
        var text = null;
        try { text = await read(video); } catch (e) { /* a frame that cannot be read */ }
        if (text && stream === mine && video.isConnected) { entered(text); return; }
      }
      await new Promise(function (done) { setTimeout(done, FRAME_MS); });
    }
  }

  function entered(text) {
    var form = find("scan");
    form.elements.text.value = text.slice(0, form.elements.text.maxLength);
    if (navigator.vibrate) navigator.vibrate(60);
    form.requestSubmit();
  }

  function halt() {
    if (stream) stream.getTracks().forEach(function (each) { each.stop(); });
    stream = null;
    seen(false);
  }

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-start]")) start();
    else if (event.target.closest("[data-stop]")) { wanted = false; halt(); }
    else if (event.target.closest("[data-torch]") && stream) {
      var button = find("torch"), on = button.getAttribute("aria-pressed") !== "true";
      stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] }).then(function () { button.setAttribute("aria-pressed", String(on)); }, function () {});
    }
  });
  document.addEventListener("visibilitychange", function () { if (document.hidden) halt(); else if (wanted && find("camera")) start(); });

  // a page that was put in; a camera that was on goes on by itself
  function begin(first) {
    var field = find("wedge");
    if (find("camera") && navigator.mediaDevices && navigator.mediaDevices.getUserMedia) {
      show("camera", true);
      if (wanted) start();
    }
    // on a phone the keyboard would cover the page
    if (field && matchMedia("(pointer: fine)").matches && !document.querySelector("[aria-invalid=true]")) field.focus({ preventScroll: first });
  }
  begin(true);
})();
