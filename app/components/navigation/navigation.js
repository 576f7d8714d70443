const NARROW = "(max-width: 768px)";  // where Streamlit's drawer lies over the page

function oneEntryAPage() {
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const same = new URL(url ?? "", document.location.href).pathname === document.location.pathname;
    return same ? window.history.replaceState(state, title, url) : push(state, title, url);
  };
}

function closeDrawer(event) {
  if (!event.target.closest?.('[data-testid="stSidebarNavLink"]') || !window.matchMedia(NARROW).matches) { return; }
  document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
}

export default function () {
  if (Object.hasOwn(window.history, "pushState")) { return; }
  oneEntryAPage();
  document.addEventListener("click", closeDrawer);
}
