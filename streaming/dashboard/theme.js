// Runs before anything is painted: a chosen theme must not flash the other one first.
(() => {
  const THEMES = ["auto", "light", "dark"];
  const read = () => {
    try {
      return localStorage.getItem("retail-stream-theme") ?? "auto";
    } catch {
      return "auto"; // Storage is forbidden: the choice lasts as long as the page.
    }
  };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
    document.dispatchEvent(new Event("themechange"));
  };
  show(read());
  document.addEventListener("DOMContentLoaded", () => {
    show(read());
    document.getElementById("theme").addEventListener("click", () => {
      const current = document.documentElement.dataset.theme;
      const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
      try {
        localStorage.setItem("retail-stream-theme", next);
      } catch {
        // As above.
      }
      show(next);
    });
  });
})();
