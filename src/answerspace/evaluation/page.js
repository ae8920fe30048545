// The evaluation page works without this; it only lets a reader choose the colours.
const root = document.documentElement;
const button = document.getElementById("theme");

function show(theme) {
  root.dataset.theme = theme;
  const other = theme === "dark" ? "light" : "dark";
  button.textContent = other === "dark" ? "Dark" : "Light";
  button.setAttribute("aria-label", `Switch to ${other} colours`);
}

show(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
button.hidden = false;
button.addEventListener("click", () => show(root.dataset.theme === "dark" ? "light" : "dark"));
