// Light and dark; the numbers need no script. Shares are set here because the page allows no inline style.
const root = document.documentElement;
const button = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(name) {
  root.dataset.theme = name;
  button.textContent = name === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to ${name === "dark" ? "light" : "dark"} colours`);
}

setTheme(dark.matches ? "dark" : "light");
button.hidden = false;
button.onclick = () => setTheme(root.dataset.theme === "dark" ? "light" : "dark");
dark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
for (const cell of document.querySelectorAll("td[data-share]")) cell.style.setProperty("--share", cell.dataset.share);
