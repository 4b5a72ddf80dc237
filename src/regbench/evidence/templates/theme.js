// Light and dark: the system's choice until the reader takes another, which is kept where the browser allows it.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  function kept(value) {
    try {
      if (value) localStorage.setItem("regbench-theme", value);
      return localStorage.getItem("regbench-theme");
    } catch (error) {
      return value || null;  // storage may be forbidden for files
    }
  }
  function current() {
    var system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return root.dataset.theme || system;
  }
  var chosen = kept();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    function name() {
      button.textContent = current() === "dark" ? "Light colours" : "Dark colours";
    }
    button.hidden = false;
    button.addEventListener("click", function () {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      kept(root.dataset.theme);
      name();
    });
    name();
  });
})();
