// What somebody has typed into a form is not lost unasked: by a link, another form, a reload, or a session that has ended.

const touched = new Set(document.querySelectorAll("form[data-typed]"));
let agreed = false;

function differs(field) {
  if (!field.name || field.disabled || field.type === "hidden") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) {
    const options = [...field.options];
    const chosen = options.findIndex((option) => option.defaultSelected);
    return !field.multiple && chosen < 0 ? field.selectedIndex > 0 : options.some((option) => option.selected !== option.defaultSelected);
  }
  return field.defaultValue !== undefined && field.value !== field.defaultValue;
}

// A form that came back, to be looked at once more or with errors, has what was typed as its values; nothing is saved.
const unsaved = (form) => form.isConnected && (form.matches("[data-typed]") || [...form.elements].some(differs));

// changed returns the forms with something that is not saved.
export const changed = () => [...touched].filter(unsaved);

function touch(event) {
  const form = event.target.form;
  // the switch and the marks of rows are chosen anew in a moment
  if (form?.getAttribute("method") === "post" && !form.closest(".pill") && !form.matches(".acts, #acts")) touched.add(form);
}
document.addEventListener("input", touch);
document.addEventListener("change", touch);

window.addEventListener("beforeunload", (event) => {
  if (!agreed && changed().length > 0) event.preventDefault();
});

// Scripts that send a form by themselves have prevented it by now.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  const lost = changed().filter((form) => form !== event.target);
  if (lost.length > 0 && !confirm("What you changed in another form of this page is not saved, and would be lost. Go on?")) event.preventDefault();
  else agreed = true;
});
window.addEventListener("pageshow", () => { agreed = false; });
