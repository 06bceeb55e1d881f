// Keeps the page in the browser, and says so once it is kept.

export async function keepForOffline(pill) {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("/service-worker.js", { updateViaCache: "none" });
    // Ready once everything is kept: its installation ends no earlier.
    await navigator.serviceWorker.ready;
    pill.hidden = false;
  } catch {
    // Without a server there is no update, and what is kept stays; where nothing may be kept the page works all the same.
    pill.hidden = !navigator.serviceWorker.controller;
  }
}
