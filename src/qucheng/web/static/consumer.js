// Progressive enhancement only: the pages of consumers work without this file.
(function () {
  "use strict";

  // a button that may be pressed again after some seconds, and says how many are left
  document.querySelectorAll("button[data-wait]").forEach(function (button) {
    var until = Date.now() + Number(button.dataset.wait) * 1000;
    if (until <= Date.now()) return;
    function show() {
      var left = Math.ceil((until - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? button.dataset.waiting.replace("{seconds}", left) : button.dataset.word;
      if (left <= 0) clearInterval(timer);
    }
    var timer = setInterval(show, 500);
    show();
  });

  // a form is sent once: its buttons rest until the answer, and work again on a page that is come back to
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    var sent = false;
    form.addEventListener("submit", function (event) {
      if (sent) event.preventDefault();
      sent = true;
      form.setAttribute("aria-busy", "true");
      setTimeout(rest, 8000);
    });
    function rest() {
      sent = false;
      form.removeAttribute("aria-busy");
    }
    window.addEventListener("pageshow", rest);
  });

  document.querySelectorAll("form[data-at-once]").forEach(function (form) { form.requestSubmit(); });
})();
