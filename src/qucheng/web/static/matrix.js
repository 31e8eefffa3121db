// The price matrix under the keyboard. Without this file every cell is a link to its own page, with a plain form on it.
(function () {
  "use strict";
  var table = document.querySelector("[data-matrix]");
  if (!table || !window.htmx) return;
  var said = document.getElementById("matrix-said");
  var editable = table.hasAttribute("data-editable");
  var current = null, editor = null, kept = null;

  // ---------------------------------------------------------------- where one is
  function rows() { return Array.prototype.slice.call(table.querySelectorAll("tbody tr[data-sku]")); }
  function cellsOf(row) { return Array.prototype.slice.call(row.querySelectorAll(".cell")); }
  function column(cell) { return cellsOf(cell.closest("tr")).indexOf(cell); }
  function seen(cell) { return cell.offsetParent !== null; }

  function choose(cell, focus) {
    if (!cell) return;
    if (current && current !== cell) current.tabIndex = -1;
    current = cell;
    cell.tabIndex = 0;
    if (focus) cell.focus();
  }

  function find(sku, channel, tier) {
    var row = rows().find(function (one) { return one.dataset.sku === sku; });
    var head = Array.prototype.find.call(table.tHead.rows[0].cells, function (one) {
      return one.dataset.channel === channel && one.dataset.tier === tier;
    });
    return row && head ? row.cells[head.cellIndex].querySelector(".cell") : null;
  }

  function prepare(within) {
    within.querySelectorAll(".cell").forEach(function (cell) { cell.tabIndex = cell === current ? 0 : -1; });
  }

  function move(cell, down, right) {
    var row = cell.closest("tr"), every = rows(), at = every.indexOf(row) + down;
    row = every[Math.max(0, Math.min(every.length - 1, at))];
    var line = cellsOf(row).filter(seen), wanted = cellsOf(row)[column(cell)];
    at = line.indexOf(wanted) + right;
    choose(line[Math.max(0, Math.min(line.length - 1, at))] || wanted, true);
  }

  // ---------------------------------------------------------------- the inspector
  function inspector() { return document.getElementById("inspector"); }

  function expanded(cell) {
    table.querySelectorAll('.cell[aria-expanded="true"]').forEach(function (each) {
      each.removeAttribute("aria-expanded");
      each.removeAttribute("aria-controls");
    });
    if (!cell) return;
    cell.setAttribute("aria-expanded", "true");
    cell.setAttribute("aria-controls", "inspector");
  }

  function isSheet() { return getComputedStyle(inspector()).position === "fixed"; }

  function enter() {
    var field = inspector().querySelector("[data-first]") || inspector().querySelector("h2");
    if (field) field.focus();
    if (field && field.select) field.select();
  }

  function open(cell, inside) {
    choose(cell, false);
    expanded(cell);
    htmx.ajax("GET", cell.getAttribute("href"), { source: cell, target: "#inspector", swap: "outerHTML" }).then(function () {
      if (inside || isSheet()) enter();
    }, lost);
  }

  function close() {
    var back = inspector().querySelector("[data-close-inspector]");
    if (!back) return;
    history.replaceState(null, "", back.getAttribute("href"));
    inspector().classList.remove("is-open");
    inspector().replaceChildren();
    expanded(null);
    choose(current, true);
  }

  function say(text) {
    said.textContent = "";
    setTimeout(function () { said.textContent = text; }, 50);
  }

  function lost() { say(table.dataset.lost); }

  // ---------------------------------------------------------------- typing into a cell
  function label(cell) {
    var head = table.tHead.rows[0].cells[cell.closest("td").cellIndex];
    return cell.closest("tr").querySelector(".sku-name").textContent.trim() + " · " + head.textContent.trim().replace(/\s+/g, " ");
  }

  function edit(cell, text) {
    if (!editable || cell.hasAttribute("data-locked")) return open(cell, true);
    leave(false);
    choose(cell, false);
    var field = document.createElement("input");
    field.className = "input num cell-input";
    field.type = "text";
    field.inputMode = "decimal";
    field.autocomplete = "off";
    field.maxLength = 40;
    field.setAttribute("aria-label", label(cell));
    field.value = text === undefined ? cell.dataset.own || "" : text;
    cell.closest("td").classList.add("is-editing");
    cell.closest("td").appendChild(field);
    editor = { cell: cell, field: field };
    field.focus();
    if (text === undefined) field.select();
  }

  function leave(focus) {
    if (!editor) return;
    var was = editor;
    editor = null;
    was.field.closest("td").classList.remove("is-editing");
    was.field.remove();
    if (focus) choose(was.cell, true);
  }

  function commit(down, right) {
    var was = editor, text = was.field.value.trim();
    if (text === (was.cell.dataset.own || "")) {
      leave(true);
      if (down || right) move(was.cell, down, right);
      return;
    }
    send(was.cell, text);
    leave(true);
    was.cell.classList.add("is-sent");
    move(was.cell, down, right);
  }

  function send(cell, text) {
    var row = cell.closest("tr"), head = table.tHead.rows[0].cells[cell.closest("td").cellIndex], values = {
      _csrf: table.dataset.csrf, sku: row.dataset.sku, channel: head.dataset.channel, tier: head.dataset.tier,
      seen: cell.dataset.seen || "", view: table.dataset.view, price: text, source: text ? "own" : "inherit", quick: "1"
    };
    var place = cell.closest("td");
    htmx.ajax("POST", table.dataset.save, { source: place, target: "#inspector", swap: "outerHTML", values: values }).then(function () {
      var wrong = inspector().querySelector('[aria-invalid="true"], [data-conflict]');
      if (wrong) {
        say(inspector().querySelector(".error-summary, [data-conflict]").textContent.trim().replace(/\s+/g, " "));
        if (!editor) enter();
      } else if (inspector().dataset.said) say(inspector().dataset.said);
    }, function () {
      lost();
      cell.classList.remove("is-sent");
      if (!editor) edit(cell, text);
    });
  }

  // ---------------------------------------------------------------- what a price leaves, while it is typed
  document.addEventListener("input", function (event) {
    var form = event.target.closest("#cell-form");
    if (!form || event.target.name !== "price") return;
    form.querySelector('[name="source"][value="own"]').checked = true;
    var shown = form.querySelector("[data-margin]"), decimals = Number(form.dataset.decimals);
    var typed = /^([0-9]{1,10})(?:\.([0-9]*))?$/.exec(event.target.value.replace(/,/g, "").trim());
    if (!shown || !typed || (typed[2] || "").length > decimals) return;
    var price = Number(typed[1] + (typed[2] || "").padEnd(decimals, "0")), left = price - Number(form.dataset.cost);
    if (!price) return;
    var tenths = Math.floor((2000 * Math.abs(left) + price) / (2 * price)), minus = left < 0 ? "\u2212" : "";
    shown.textContent = shown.dataset.margin.replace("#", minus + figure(Math.abs(left), decimals))
      .replace("#", minus + Math.floor(tenths / 10) + "." + (tenths % 10) + "%");
  });

  function figure(minor, decimals) {
    var digits = String(minor).padStart(decimals + 1, "0"), at = digits.length - decimals;
    return digits.slice(0, at).replace(/\B(?=(\d{3})+$)/g, ",") + (decimals ? "." + digits.slice(at) : "");
  }

  // ---------------------------------------------------------------- rows that the server has changed
  document.body.addEventListener("htmx:oobBeforeSwap", function (event) {
    var row = event.detail.target;
    if (!row || !row.dataset || !row.dataset.sku) return;
    var at = current && row.contains(current) ? column(current) : -1;
    kept = kept || [];
    kept.push({
      sku: row.dataset.sku, at: at, focused: current === document.activeElement,
      typed: editor && row.contains(editor.cell) ? { at: column(editor.cell), text: editor.field.value, own: editor.cell.dataset.own || "" } : null
    });
    if (editor && row.contains(editor.cell)) leave(false);
  });

  document.body.addEventListener("htmx:afterSwap", function () {
    (kept || []).forEach(function (each) {
      var row = rows().find(function (one) { return one.dataset.sku === each.sku; });
      if (!row) return;
      var line = cellsOf(row);
      if (each.at >= 0) {
        current = line[each.at];
        if (each.focused) choose(current, true);
      }
      prepare(row);
      if (each.typed) edit(line[each.typed.at], each.typed.text);
    });
    kept = null;
    var shown = inspector().dataset;
    if (shown.sku) expanded(find(shown.sku, shown.channel, shown.tier));
  });

  // somebody else's page, such as the sign-in after a session's end, belongs into the window and not into a part of it
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    var path = event.detail.pathInfo && event.detail.pathInfo.responsePath;
    if (path && path.indexOf("/prices") !== 0) {
      event.preventDefault();
      location.assign(path);
    }
  });

  // ---------------------------------------------------------------- keys and pointer
  var STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0] };

  function inCell(cell, event) {
    var line, every;
    if (event.altKey || (event.ctrlKey || event.metaKey) && event.key !== "Home" && event.key !== "End") return;
    if (STEPS[event.key]) move(cell, STEPS[event.key][0], STEPS[event.key][1]);
    else if (event.key === "Home" || event.key === "End") {
      every = event.ctrlKey ? rows() : [cell.closest("tr")];
      line = cellsOf(every[event.key === "Home" ? 0 : every.length - 1]).filter(seen);
      choose(line[event.key === "Home" ? 0 : line.length - 1], true);
    } else if (event.key === "Enter" || event.key === "F2") edit(cell);
    else if (event.key === " ") open(cell, true);
    else if (event.key === "Escape") close();
    else if (event.key === "Delete" || event.key === "Backspace") edit(cell, "");
    else if (editable && /^[0-9.]$/.test(event.key)) edit(cell, event.key);
    else return;
    event.preventDefault();
  }

  function inField(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") commit(event.shiftKey ? -1 : 1, 0);
    else if (event.key === "Tab") commit(0, event.shiftKey ? -1 : 1);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") commit(event.key === "ArrowUp" ? -1 : 1, 0);
    else if (event.key === "Escape") leave(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  table.addEventListener("keydown", function (event) {
    if (editor && event.target === editor.field) inField(event);
    else if (event.target.classList.contains("cell")) inCell(event.target, event);
  });
  table.addEventListener("focusin", function (event) {
    if (event.target.classList.contains("cell")) choose(event.target, false);
  });
  table.addEventListener("focusout", function (event) {
    if (editor && event.target === editor.field) setTimeout(function () {
      if (editor && document.activeElement !== editor.field) {
        var text = editor.field.value.trim(), cell = editor.cell;
        leave(false);
        if (text !== (cell.dataset.own || "")) send(cell, text);
      }
    }, 0);
  });
  table.addEventListener("click", function (event) {
    var cell = event.target.closest(".cell");
    if (!cell || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    cell.focus();
    open(cell, false);
  });
  table.addEventListener("dblclick", function (event) {
    var cell = event.target.closest(".cell");
    if (cell) edit(cell);
  });
  document.addEventListener("click", function (event) {
    var link = event.target.closest("[data-close-inspector]");
    if (!link) return;
    event.preventDefault();
    close();
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && event.target.closest && event.target.closest("#inspector")) close();
  });

  table.setAttribute("role", "grid");
  current = table.querySelector('.cell[aria-expanded="true"]') || table.querySelector(".cell");
  prepare(table);
  if (inspector().classList.contains("is-open") && isSheet()) enter();
})();
