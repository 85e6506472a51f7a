/** Building and updating elements. Texts are always set as text, never as markup. */

let ids = 0;

/** Return an id that no other element has. */
export function uniqueId(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}

/**
 * Create an element.
 *
 * @param {string} tag
 * @param {object} [attributes] `on` holds listeners by event name, `text` is the text; false, null and undefined are
 *   left out
 * @param {...(Node|string|null)} children null is left out
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "text") element.textContent = value;
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set an element's text if it differs: a live region would announce the same text again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an element's text if it differs; what is between backticks becomes code. */
export function setTextWithCode(element, text) {
  const parts = text.split("`");
  if (element.textContent === parts.join("")) return;
  element.replaceChildren(...parts.map((part, index) => (index % 2 === 1 ? el("code", { text: part }) : part)));
}

/** Set an attribute if it differs; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Make these the children of an element, in this order. Children that stay in place are not moved, since they would lose
 * the focus and be scrolled back.
 */
export function setChildren(element, children) {
  for (const child of [...element.childNodes]) if (!children.includes(child)) child.remove();
  for (const [index, child] of children.entries()) {
    const current = element.childNodes[index] ?? null;
    if (current !== child) element.insertBefore(child, current);
  }
}

/** Let an element take over the focus from one that can no longer have it. Nobody has asked to see it: nothing scrolls. */
export function passFocus(element) {
  element.focus({ preventScroll: true });
}

/**
 * When something in an element is hidden, pass its focus to the first visible successor. Chromium removes the focus at
 * once; other browsers do so with the next frame, before which the returned function must be called.
 */
export function keepFocus(element, successors) {
  const pass = () => passFocus(successors().find((one) => !one.closest("[hidden]")));
  element.addEventListener("focusout", ({ target }) => {
    if (target.closest("[hidden]")) queueMicrotask(pass);
  });
  return () => {
    if (element.contains(document.activeElement) && document.activeElement.closest("[hidden]")) pass();
  };
}

/** Disable a button or enable it. Without a focus, Tab would start again at the top: another element takes it over. */
export function setDisabled(control, isDisabled, successor) {
  const hadFocus = document.activeElement === control;
  control.disabled = isDisabled;
  if (isDisabled && hadFocus) passFocus(successor);
}

/** Return a form field below its label. */
export function labeledField(label, field) {
  field.id ||= uniqueId("field");
  return el("div", { class: "choice" }, el("label", { for: field.id, text: label }), field);
}

/** Create a labeled select. Options are `{value, label}`, or `{group, options}` for several under a heading. */
export function labeledSelect(label, onChange) {
  const select = el("select", { on: { change: () => onChange(select.value) } });
  const element = labeledField(label, select);
  let current = "";
  const setOptions = (options, value) => {
    const key = JSON.stringify(options);
    if (key !== current) select.replaceChildren(...options.map(optionElement));
    current = key;
    select.value = value;
  };
  return { element, select, setOptions };
}

function optionElement(option) {
  if (option.options) return el("optgroup", { label: option.group }, ...option.options.map(optionElement));
  return el("option", { value: option.value, text: option.label });
}

/** Create a button. With an `icon`, the label becomes its accessible name and tooltip. */
export function button(label, onClick, { icon = null, ...attributes } = {}) {
  if (icon === null) return el("button", { type: "button", text: label, on: { click: onClick }, ...attributes });
  const face = el("span", { "aria-hidden": "true", text: icon });
  return el(
    "button",
    { type: "button", "aria-label": label, title: label, class: "icon", on: { click: onClick }, ...attributes },
    face,
  );
}

/** Create a search field without autocompletion. */
export function searchField(listeners) {
  return el("input", { type: "search", autocomplete: "off", spellcheck: "false", on: listeners });
}
