// The list of messages: fields of the form that are empty stay out of the address.

const form = document.querySelector(".filters");
form.addEventListener("submit", () => {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
// The form is usable again when the browser goes back to it.
addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });
