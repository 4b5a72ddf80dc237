// The ledger: filter, sort, open. A claim has an address, `#` and its id, which opens it.
(function () {
  "use strict";
  var ledger = document.getElementById("ledger");
  var claims = Array.prototype.slice.call(ledger.tBodies);
  var form = document.getElementById("filters");
  var inputs = {};
  ["document", "verdict", "text"].forEach(function (name) { inputs[name] = document.getElementById(name); });

  function opener(claim) { return claim.querySelector("button.open"); }

  function open(claim, wanted) {
    claim.classList.toggle("opened", wanted);
    opener(claim).setAttribute("aria-expanded", String(wanted));
  }

  function fits(claim) {
    var words = inputs.text.value.toLowerCase().split(/\s+/);
    return (!inputs.document.value || claim.dataset.document === inputs.document.value) &&
      (!inputs.verdict.value || claim.dataset.verdict === inputs.verdict.value) &&
      words.every(function (word) { return claim.dataset.text.indexOf(word) >= 0; });
  }

  function filter() {
    var shown = 0;
    claims.forEach(function (claim) {
      claim.hidden = !fits(claim);
      shown += !claim.hidden;
    });
    document.getElementById("count").textContent = shown + " of " + claims.length +
      " claims. A claim opens with Enter or a click and closes with Escape.";
    document.getElementById("nothing").hidden = shown > 0;
  }

  function sort(button) {
    var head = button.parentNode, key = button.dataset.sort;
    var order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    Array.prototype.forEach.call(head.parentNode.children, function (each) { each.setAttribute("aria-sort", "none"); });
    head.setAttribute("aria-sort", order);
    var sign = order === "ascending" ? 1 : -1;
    claims.slice().sort(function (a, b) {
      var left = a.dataset[key], right = b.dataset[key];
      var found = key === "document" ? left.localeCompare(right) : left - right;
      return sign * found || a.dataset.order - b.dataset.order;
    }).forEach(function (claim) { ledger.appendChild(claim); });
  }

  function goTo() {
    var claim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!claim || claims.indexOf(claim) < 0) return;
    if (claim.hidden) { form.reset(); filter(); }
    open(claim, true);
    opener(claim).focus();
    claim.scrollIntoView();
  }

  claims.forEach(function (claim) { open(claim, false); });
  ledger.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.sort) sort(button);
    else open(button.closest("tbody"), button.getAttribute("aria-expanded") !== "true");
  });
  ledger.addEventListener("keydown", function (event) {
    var claim = event.key === "Escape" && event.target.closest("tbody[data-order]");
    if (!claim || !claim.classList.contains("opened")) return;
    open(claim, false);
    opener(claim).focus();
  });
  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(filter); });  // the fields are empty only afterwards
  addEventListener("hashchange", goTo);
  filter();  // a browser may have kept what was typed
  goTo();
})();
