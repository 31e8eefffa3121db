// A link from a letter has its token behind the #, which no server is sent: it goes into the form and out of the address.
(function () {
  "use strict";
  var field = document.querySelector("[data-from-fragment]"), token = location.hash.slice(1);
  if (!field || !token || document.getElementById(token)) return;
  field.value = decodeURIComponent(token);
  history.replaceState(null, "", location.pathname + location.search);
  if (field.form.hasAttribute("data-send")) field.form.submit();
})();
