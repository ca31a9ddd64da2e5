// Dialogs, notices, and the way of every command: ask first where it destroys, say what came of it.

import { byId, make, put } from "./dom.js";

const NOTICE_MS = 8_000;

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
for (const dialog of document.querySelectorAll("dialog")) {
  // A click beside the dialog is one on the dialog's own backdrop.
  dialog.addEventListener("click", (click) => click.target === dialog && dialog.id !== "key-dialog" && dialog.close());
}

/** Say something at the edge of the page. What went wrong stays until it is dismissed. */
export function notify(text, { bad = false } = {}) {
  const dismiss = make("button", { type: "button", className: "quiet", "aria-label": "Dismiss" }, "×");
  const notice = make("div", { className: bad ? "notice bad" : "notice", role: bad ? "alert" : "status" }, make("p", {}, text), dismiss);
  dismiss.addEventListener("click", () => notice.remove());
  byId("notices").append(notice);
  if (!bad) setTimeout(() => notice.remove(), NOTICE_MS);
}

/** Ask before something is lost. Resolves to whether it may be done. */
export function confirmed({ title, text, yes }) {
  const dialog = byId("confirm-dialog");
  put(byId("confirm-title"), title);
  put(byId("confirm-text"), text);
  put(byId("confirm-yes"), yes);
  return new Promise((resolve) => {
    const form = dialog.querySelector("form");
    const submit = (event) => {
      event.preventDefault();
      dialog.close("yes");
    };
    form.addEventListener("submit", submit);
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        form.removeEventListener("submit", submit);
        resolve(dialog.returnValue === "yes");
      },
      { once: true },
    );
    dialog.showModal();
    dialog.querySelector("[data-close]").focus();
  });
}

/** What a refusal says; a missing route is a feature that this version doesn't have. */
export const wordsOf = (problem) => (problem.isAbsent ? "Not available on this version." : problem.message);

/** Run `work` for a button: it can't be pressed twice, and a refusal is shown in the API's words. */
export async function during(button, work) {
  // Not disabled: that would take the keyboard's focus away.
  if (button.hasAttribute("aria-busy")) return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (problem) {
    if (!("status" in problem)) throw problem;
    notify(wordsOf(problem), { bad: true });
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** A dialog with a form whose submission may be refused: the words stay in the dialog, beside their fields. */
export function formDialog(id, submit) {
  const dialog = byId(id);
  const form = dialog.querySelector("form");
  const error = form.querySelector(".error");
  const clear = () => {
    error.hidden = true;
    for (const field of form.elements) field.removeAttribute?.("aria-invalid");
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await submit(form);
      dialog.close();
    } catch (problem) {
      if (!("status" in problem)) throw problem;
      put(error, wordsOf(problem));
      error.hidden = false;
      for (const { field } of problem.errors) form.elements.namedItem(field.split(".").at(-1))?.setAttribute?.("aria-invalid", "true");
    } finally {
      button.disabled = false;
    }
  });
  return {
    dialog,
    form,
    open() {
      clear();
      dialog.showModal();
    },
  };
}

/** A form's fields as the API takes them: numbers as numbers, empty ones left out. */
export function fieldsOf(form) {
  const values = {};
  for (const field of form.elements) {
    if (!field.name || field.name === "types" || field.value === "") continue;
    if (field.type === "checkbox") values[field.name] = field.checked;
    else values[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return values;
}
