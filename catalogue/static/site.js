// Progressive enhancement only: every page works without this file.
for (const form of document.querySelectorAll("[data-drop]")) {
  const input = form.querySelector("input[type=file]");
  const over = (is) => (event) => { event.preventDefault(); form.classList.toggle("is-over", is); };
  form.addEventListener("dragover", over(true));
  form.addEventListener("dragleave", over(false));
  form.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; form.requestSubmit(); }
  });
  form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
}
