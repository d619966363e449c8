// Menus that open at a button or at the pointer.

import { el, icon } from "./dom.mjs";

/** Closes what is open. */
let close = () => {};

function place(menu, { x, y, top }) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.max(8, Math.min(x, document.documentElement.clientWidth - width - 8));
  const fits = y + height + 8 <= window.innerHeight;
  // These are properties and no attribute, so the policy against inline styles allows them.
  menu.style.left = `${left}px`;
  menu.style.top = `${fits ? y : Math.max(8, top - height)}px`;
}

function keys(menu, event) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key];
  if (to !== undefined) items[to].focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function itemOf(item) {
  const content = [icon(item.icon), el("span", { text: item.text }), item.key ? el("kbd", { text: item.key }) : null];
  const classes = item.isDangerous ? "dangerous" : "";
  const common = { role: "menuitem", tabindex: "-1", class: classes };
  if (item.href) return el("a", { ...common, href: item.href, download: item.download ?? false }, ...content);
  return el("button", { ...common, type: "button" }, ...content);
}

/**
 * Opens a menu. `items` have `text`, `icon`, and `run` or `href`; `key` is shown as its shortcut. `at` is an element or a
 * point `{ x, y }`. The focus goes back to `focus` afterwards.
 */
export function openMenu(label, items, at, focus = at) {
  close();
  const menu = el("div", { class: "popup", role: "menu", "aria-label": label });
  items.forEach((item) => {
    const element = itemOf(item);
    element.addEventListener("click", () => {
      close();
      item.run?.();
    });
    menu.append(element);
  });
  const outside = (event) => {
    if (!menu.contains(event.target)) close(false);
  };
  close = (isFocusBack = true) => {
    close = () => {};
    document.removeEventListener("pointerdown", outside, true);
    window.removeEventListener("scroll", outside, true);
    menu.remove();
    if (at instanceof Element) at.setAttribute("aria-expanded", "false");
    if (isFocusBack && focus instanceof Element) focus.focus({ preventScroll: true });
  };
  menu.addEventListener("keydown", (event) => keys(menu, event));
  (document.querySelector("main") ?? document.body).append(menu);
  if (at instanceof Element) {
    at.setAttribute("aria-expanded", "true");
    const box = at.getBoundingClientRect();
    place(menu, { x: box.right - menu.offsetWidth, y: box.bottom + 4, top: box.top - 4 });
  } else {
    place(menu, { x: at.x, y: at.y, top: at.y });
  }
  document.addEventListener("pointerdown", outside, true);
  window.addEventListener("scroll", outside, true);
  menu.firstElementChild?.focus({ preventScroll: true });
}
