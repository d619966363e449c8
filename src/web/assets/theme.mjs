// The switch between light and dark. The choice is kept in the browser; theme_early.js applies it when a page loads.

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
}

function label(button) {
  const text = isDark() ? "Light theme" : "Dark theme";
  button.setAttribute("aria-label", text);
  button.title = text;
}

const button = document.getElementById("theme");
if (button) {
  label(button);
  dark.addEventListener("change", () => label(button));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      // What the system wants anyway is not kept, so that the page follows the system again.
      if (isDark() === dark.matches) localStorage.removeItem("theme");
      else localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Without storage the choice holds for this page.
    }
    label(button);
  });
}
