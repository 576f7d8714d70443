export default function ({ parentElement }) {
  const root = parentElement.getRootNode();
  const holder = (root.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (holder) { holder.style.display = "none"; }
  if (Object.hasOwn(window.history, "pushState")) { return; }
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const same = new URL(url ?? "", document.location.href).pathname === document.location.pathname;
    return same ? window.history.replaceState(state, title, url) : push(state, title, url);
  };
}
