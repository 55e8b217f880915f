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
  form.addEventListener("submit", (event) => {
    form.setAttribute("aria-busy", "true");
    const shown = form.querySelector("[data-upload]");
    // Small files are there at once, and the browser's own way is the surest.
    if (input.files.length && input.files[0].size > 2_000_000) { event.preventDefault(); send(form, shown); }
  });
}

// A large file goes up with a bar that shows how much of it is there.
function send(form, shown) {
  const bar = shown.querySelector("progress");
  const request = new XMLHttpRequest();
  shown.hidden = false;
  request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
  request.addEventListener("load", () => {
    if (request.status < 400) { location.assign(request.responseURL); return; }
    document.documentElement.innerHTML = new DOMParser().parseFromString(request.responseText, "text/html").documentElement.innerHTML;
  });
  request.addEventListener("error", () => form.submit());
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(new FormData(form));
}

// A check in the background: its status moves the bar until the report is there.
for (const shown of document.querySelectorAll("[data-validating]")) {
  const bar = shown.querySelector("progress");
  const stage = shown.querySelector("[data-stage]");
  const ask = async () => {
    const answer = await fetch(shown.dataset.validating).catch(() => null);
    const told = answer?.ok ? await answer.json() : null;
    if (answer?.status === 404 || told?.state === "done" || told?.state === "failed") { location.reload(); return; }
    if (told?.stage && stage.textContent !== stage.dataset[told.stage]) stage.textContent = stage.dataset[told.stage];
    if (told?.share) bar.value = told.share; else bar.removeAttribute("value");
    setTimeout(ask, 400);
  };
  setTimeout(ask, 200);
}
