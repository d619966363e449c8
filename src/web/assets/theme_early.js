// Applies the chosen theme before anything is drawn, and says that scripts run. It blocks the page, so it does nothing
// else; theme.mjs has the switch.
{
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Without storage the theme is that of the system.
  }
}
