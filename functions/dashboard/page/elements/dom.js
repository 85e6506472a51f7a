/** Elements out of names, properties and children; texts only ever as texts. */

let names = 0;

/** Return an identifier that no other element has. */
export function unique(prefix) {
  names += 1;
  return `${prefix}-${names}`;
}

/**
 * Make an element.
 *
 * @param {string} tag its name
 * @param {object} [given] attributes; `on` holds listeners by event, `text` its text; false and null leave one out
 * @param {...(Node|string|null)} children what is in it
 */
export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "on") for (const [event, listen] of Object.entries(value)) made.addEventListener(event, listen);
    else if (name === "text") made.textContent = value;
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set an element's text, only if it is another one: what is read aloud is not to be read twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, only if it is another one. */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Return a field below its label. */
export function labelled(label, field) {
  field.id ||= unique("field");
  return el("div", { class: "choice" }, el("label", { for: field.id, text: label }), field);
}

/** Make a labelled choice. Options are `{value, label}`, or `{group, options}` for several under a heading. */
export function choice(label, onChange) {
  const select = el("select", { on: { change: () => onChange(select.value) } });
  const whole = labelled(label, select);
  let shown = "";
  const fill = (options, value) => {
    const key = JSON.stringify(options);
    if (key !== shown) select.replaceChildren(...options.map(option));
    shown = key;
    select.value = value;
  };
  return { whole, select, fill };
}

function option(one) {
  if (one.options) return el("optgroup", { label: one.group }, ...one.options.map(option));
  return el("option", { value: one.value, text: one.label });
}

/** Make a button that shows a sign and is called by its label. */
export function button(label, onClick, { sign = null, ...more } = {}) {
  if (sign === null) return el("button", { type: "button", text: label, on: { click: onClick }, ...more });
  const face = el("span", { "aria-hidden": "true", text: sign });
  return el(
    "button",
    { type: "button", "aria-label": label, title: label, class: "sign", on: { click: onClick }, ...more },
    face,
  );
}
