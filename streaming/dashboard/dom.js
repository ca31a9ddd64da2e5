// The few things that every part of the page does with the document.

export const byId = (id) => document.getElementById(id);

/** Write a text, only where it differs: what stays the same costs no layout. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make an element. Properties that are no properties of elements (aria-*, data-*) become attributes. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The value at a path such as "status.events_sent"; undefined where there is none. */
export function at(object, path) {
  return path.split(".").reduce((value, name) => value?.[name], object);
}

/** Tell a screen reader, once. */
export function announce(text) {
  put(byId("announcer"), text);
}
